// What `import … from "@tandem/cloud"` and `require("@tandem/cloud")` give.

const cloud = require("./cloud.js");
const types = require("./bson.js");
const { ObjectAssign, ReflectDefineProperty } = require("./primordials.js");

const exports_ = ObjectAssign({ default: cloud, cloud }, types);
ReflectDefineProperty(exports_, "__esModule", { value: true });
module.exports = exports_;
