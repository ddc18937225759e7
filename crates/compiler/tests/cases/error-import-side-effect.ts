import "left-pad";
export default 1;
