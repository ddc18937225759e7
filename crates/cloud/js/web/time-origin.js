// The moment this isolate began.

const { DateNow } = require("../primordials.js");

module.exports = { __proto__: null, timeOrigin: DateNow() };
