const a = "𝒳"; const { x } = require("fs");
