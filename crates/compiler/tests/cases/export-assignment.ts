import other = require("@/other");
function main(ctx: object) { return other.run(ctx); }
export = main;
