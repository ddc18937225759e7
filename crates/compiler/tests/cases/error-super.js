class A { constructor() { super(); } }
export default A;
