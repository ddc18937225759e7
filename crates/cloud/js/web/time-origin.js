// The moment this isolate began, whenever this is first asked.

const { DateNow } = require("../primordials.js");

module.exports = { __proto__: null, timeOrigin: DateNow() - host.age() };
