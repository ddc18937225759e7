module.exports = (function (require) { return require("./inner"); })(() => 1);
