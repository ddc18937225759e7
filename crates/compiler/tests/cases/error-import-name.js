import x from "@/../x";
export default x;
