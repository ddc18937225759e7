// The types of documents as properties that load them when they are first read.

const { ReflectDefineProperty } = require("./primordials.js");

const NAMES = [
  "ObjectId", "Long", "Double", "Int32", "Decimal128", "Binary", "BSONRegExp", "Code", "MaxKey", "MinKey", "Timestamp",
  "MongoServerError", "MongoBulkWriteError",
];

/** Puts them on `target`. */
function defineTypes(target) {
  for (let index = 0; index < NAMES.length; index++) {
    const name = NAMES[index];
    ReflectDefineProperty(target, name, { get: () => require("./bson.js")[name], enumerable: false, configurable: false });
  }
}

module.exports = { __proto__: null, defineTypes };
