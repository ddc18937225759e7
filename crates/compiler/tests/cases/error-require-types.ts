import fs = require("fs");
fs.x();
