export default () => { with (a) {} };
