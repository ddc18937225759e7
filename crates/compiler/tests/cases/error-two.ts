let a = 1;
let a = 2;
let b; let b;
export default () => a;
