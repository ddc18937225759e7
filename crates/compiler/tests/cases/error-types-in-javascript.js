export default (ctx: object) => ctx;
