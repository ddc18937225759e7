// What `import … from "@tandem/cloud"` and `require("@tandem/cloud")` give.

const cloud = require("./cloud.js");
const types = require("./bson.js");
const { ObjectAssign, ReflectDefineProperty, ReflectSetPrototypeOf } = require("./primordials.js");

const exports_ = ObjectAssign({ default: cloud, cloud }, types);
ReflectDefineProperty(exports_, "__esModule", { value: true });
// CommonJS modules take the whole: `require("@tandem/cloud").invoke` is `cloud.invoke`.
ReflectSetPrototypeOf(exports_, cloud);
module.exports = exports_;
