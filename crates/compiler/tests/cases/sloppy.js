function f(a, a) { return arguments.length }
exports.a = f(010);
if (exports.early) return;
