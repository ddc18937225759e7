// What the driver throws when a write fails.

const { Error, ReflectDefineProperty, ReflectSetPrototypeOf } = require("../primordials.js");

/** A unique index refused a write: `code` is 11000. */
class MongoServerError extends Error {}

/** Some writes of a batch failed; `result` and the counts tell what the others did. */
class MongoBulkWriteError extends MongoServerError {
  constructor(result, writeErrors) {
    super(writeErrors[0].errmsg);
    this.code = writeErrors[0].code;
    this.writeErrors = writeErrors;
    this.result = result;
    this.insertedCount = result.insertedCount;
    this.insertedIds = result.insertedIds;
    this.matchedCount = result.matchedCount;
    this.modifiedCount = result.modifiedCount;
    this.deletedCount = result.deletedCount;
    this.upsertedCount = result.upsertedCount;
    this.upsertedIds = result.upsertedIds;
  }
}

function name(constructor, value) {
  ReflectDefineProperty(constructor.prototype, "name", { value, writable: true, enumerable: false, configurable: true });
}
name(MongoServerError, "MongoServerError");
name(MongoBulkWriteError, "MongoBulkWriteError");

/** Gives an error of an operation the class that the driver's has. It stays the same object. */
function asServerError(error) {
  if (error.code === 11000) ReflectSetPrototypeOf(error, MongoServerError.prototype);
  return error;
}

/** The result without `failures`, or the error that they make. */
function checkBatch(outcome) {
  const { failures } = outcome;
  delete outcome.failures;
  if (failures.length > 0) throw new MongoBulkWriteError(outcome, failures);
  return outcome;
}

module.exports = { __proto__: null, MongoServerError, MongoBulkWriteError, asServerError, checkBatch };
