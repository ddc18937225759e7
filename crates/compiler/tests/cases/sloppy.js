with ({ a: 1 }) { exports.a = a; }
if (exports.early) return;
