// A collection: the verbs of the MongoDB driver.

const { ArrayIsArray, ArrayPrototypePush, Promise, ReflectDefineProperty, TypeError } = require("../primordials.js");
const { op } = require("../call.js");
const { restore, save } = require("../context.js");
const { kindOf } = require("../kinds.js");
const { ObjectId, newDigits } = require("../bson/object-id.js");
const { TRUSTED } = require("../bson/tags.js");
const { Cursor } = require("./cursor.js");
const { FindCursor } = require("./find-cursor.js");
const { ask, headOf, reviving, send, start } = require("./requests.js");
const { checkBatch } = require("./write-errors.js");

const FIND_ONE = op("documents.findOne");
const AGGREGATE = op("documents.aggregate");
const INSERT_ONE = op("documents.insertOne");
const INSERT_MANY = op("documents.insertMany");
const UPDATE = op("documents.update");
const DELETE = op("documents.delete");
const FIND_AND_MODIFY = op("documents.findAndModify");
const BULK_WRITE = op("documents.bulkWrite");
const COUNT = op("documents.count");
const ESTIMATED_COUNT = op("documents.estimatedCount");
const DISTINCT = op("documents.distinct");
const CREATE_INDEX = op("documents.createIndex");
const DROP_INDEX = op("documents.dropIndex");
const LIST_INDEXES = op("documents.listIndexes");
const DROP = op("documents.drop");

/** Whether a document that is about to be inserted has no `_id` that it could be given. */
function lacksId(document) {
  if (typeof document !== "object" || document === null || ArrayIsArray(document)) return false;
  if (document._id !== undefined && document._id !== null) return false;
  return kindOf(document) !== "Map";
}

/** Gives a document its `_id`, as the driver does: on the document itself. A frozen one stays as it is. */
function giveId(document, value) {
  ReflectDefineProperty(document, "_id", { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

function ensureId(document) {
  if (lacksId(document)) giveId(document, new ObjectId());
}

class Collection {
  #name;
  /** What every request to it begins with. */
  #head;

  constructor(name, transaction) {
    if (typeof name !== "string" || name === "") throw new TypeError("A collection's name must be a string of at least one character");
    this.#name = name;
    this.#head = headOf(name, transaction);
  }

  get collectionName() {
    return this.#name;
  }

  find(filter, options) {
    return new FindCursor(this.#head, filter, options);
  }

  findOne(filter, options) {
    return ask(FIND_ONE, "findOne", this.#head, ["filter", filter, "options", options]);
  }

  aggregate(pipeline = [], options) {
    return new Cursor((all) => send(AGGREGATE, "aggregate", this.#head, ["pipeline", pipeline, "options", options, "all", all]));
  }

  insertOne(document, options) {
    return new Promise((resolve, reject) => {
      if (!lacksId(document)) {
        start(INSERT_ONE, "insertOne", this.#head, ["document", document, "options", options], reviving(resolve, reject), reject);
        return;
      }
      // The id travels beside the document, which can then be plain, and need not come back.
      const digits = newDigits();
      const insertedId = new ObjectId(TRUSTED, digits);
      const inserted = () => resolve({ acknowledged: true, insertedId });
      start(INSERT_ONE, "insertOne", this.#head, ["document", document, "id", digits, "options", options], inserted, reject);
      giveId(document, insertedId);
    });
  }

  async insertMany(documents, options) {
    if (!ArrayIsArray(documents)) throw new TypeError("insertMany takes an array of documents");
    for (let index = 0; index < documents.length; index++) ensureId(documents[index]);
    return checkBatch(await ask(INSERT_MANY, "insertMany", this.#head, ["documents", documents, "options", options]));
  }

  updateOne(filter, update, options) {
    return ask(UPDATE, "updateOne", this.#head, ["verb", "updateOne", "filter", filter, "update", update, "options", options]);
  }

  updateMany(filter, update, options) {
    return ask(UPDATE, "updateMany", this.#head, ["verb", "updateMany", "filter", filter, "update", update, "options", options]);
  }

  replaceOne(filter, replacement, options) {
    const parts = ["verb", "replaceOne", "filter", filter, "replacement", replacement, "options", options];
    return ask(UPDATE, "replaceOne", this.#head, parts);
  }

  deleteOne(filter = {}, options) {
    return ask(DELETE, "deleteOne", this.#head, ["verb", "deleteOne", "filter", filter, "options", options]);
  }

  deleteMany(filter = {}, options) {
    return ask(DELETE, "deleteMany", this.#head, ["verb", "deleteMany", "filter", filter, "options", options]);
  }

  findOneAndUpdate(filter, update, options) {
    return this.#modify("findOneAndUpdate", options, ["filter", filter, "update", update]);
  }

  findOneAndReplace(filter, replacement, options) {
    return this.#modify("findOneAndReplace", options, ["filter", filter, "replacement", replacement]);
  }

  findOneAndDelete(filter, options) {
    return this.#modify("findOneAndDelete", options, ["filter", filter]);
  }

  async #modify(verb, options, parts) {
    ArrayPrototypePush(parts, "verb", verb, "options", options);
    const value = await ask(FIND_AND_MODIFY, verb, this.#head, parts);
    if (options?.includeResultMetadata !== true) return value;
    // What an upsert did shows only where the version before it was asked for.
    const upserting = options.upsert === true;
    const lastErrorObject = { n: value !== null || upserting ? 1 : 0 };
    if (!upserting || options.returnDocument !== "after") lastErrorObject.updatedExisting = value !== null;
    return { value, lastErrorObject, ok: 1 };
  }

  async bulkWrite(operations, options) {
    if (!ArrayIsArray(operations)) throw new TypeError("bulkWrite takes an array of operations");
    for (let index = 0; index < operations.length; index++) {
      const insert = operations[index]?.insertOne;
      if (insert !== undefined) ensureId(insert?.document ?? insert);
    }
    const outcome = await ask(BULK_WRITE, "bulkWrite", this.#head, ["operations", operations, "options", options]);
    outcome.ok = 1;
    return checkBatch(outcome);
  }

  countDocuments(filter, options) {
    return send(COUNT, "countDocuments", this.#head, ["filter", filter, "options", options]);
  }

  estimatedDocumentCount(options) {
    return send(ESTIMATED_COUNT, "estimatedDocumentCount", this.#head, ["options", options]);
  }

  distinct(path, filter, options) {
    return ask(DISTINCT, "distinct", this.#head, ["path", path, "filter", filter, "options", options]);
  }

  createIndex(keys, options) {
    return send(CREATE_INDEX, "createIndex", this.#head, ["keys", keys, "options", options]);
  }

  /** Takes `{key, …options}` for each; gives the names. */
  async createIndexes(indexes) {
    if (!ArrayIsArray(indexes)) throw new TypeError("createIndexes takes an array of {key, …}");
    const token = save();
    const names = [];
    for (let index = 0; index < indexes.length; index++) {
      const { key, ...options } = indexes[index];
      ArrayPrototypePush(names, restore(token, await this.createIndex(key, options)));
    }
    return names;
  }

  dropIndex(name, options) {
    return send(DROP_INDEX, "dropIndex", this.#head, ["name", name, "options", options]);
  }

  listIndexes(options) {
    return new Cursor(() => send(LIST_INDEXES, "listIndexes", this.#head, ["options", options]));
  }

  indexes(options) {
    return this.listIndexes(options).toArray();
  }

  drop(options) {
    return send(DROP, "drop", this.#head, ["options", options]);
  }
}

module.exports = { __proto__: null, Collection };
