const other = require("@/tools/other");
let count: number = 0;
module.exports = function (ctx: any) { count++; return other.add(count, <number>ctx.body); };
