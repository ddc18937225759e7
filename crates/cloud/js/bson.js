// The types of documents that JavaScript does not have, and the errors of writes.

const { ObjectId } = require("./bson/object-id.js");
const { Decimal128, Double, Int32, Long } = require("./bson/numbers.js");
const { Binary, BSONRegExp, Code, MaxKey, MinKey, Timestamp } = require("./bson/other-types.js");
const { MongoBulkWriteError, MongoServerError } = require("./database/write-errors.js");

module.exports = {
  __proto__: null,
  ObjectId,
  Long,
  Double,
  Int32,
  Decimal128,
  Binary,
  BSONRegExp,
  Code,
  MaxKey,
  MinKey,
  Timestamp,
  MongoServerError,
  MongoBulkWriteError,
};
