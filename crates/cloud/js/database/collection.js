// A collection: the verbs of the MongoDB driver.

const { ArrayIsArray, ArrayPrototypePush, ReflectDefineProperty, TypeError } = require("../primordials.js");
const { op } = require("../call.js");
const { restore, save } = require("../context.js");
const { kindOf } = require("../kinds.js");
const { ObjectId } = require("../bson/object-id.js");
const { Cursor } = require("./cursor.js");
const { FindCursor } = require("./find-cursor.js");
const { ask, send } = require("./requests.js");
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

/** Gives a document that is about to be inserted its `_id`, as the driver does: on the document itself. */
function ensureId(document) {
  if (typeof document !== "object" || document === null || ArrayIsArray(document)) return;
  if (document._id !== undefined && document._id !== null) return;
  if (kindOf(document) === "Map") return;
  // A frozen document stays as it is; the store makes its `_id`.
  ReflectDefineProperty(document, "_id", { value: new ObjectId(), writable: true, enumerable: true, configurable: true });
}

class Collection {
  #name;
  #transaction;

  constructor(name, transaction) {
    if (typeof name !== "string" || name === "") throw new TypeError("A collection's name must be a string of at least one character");
    this.#name = name;
    this.#transaction = transaction;
  }

  get collectionName() {
    return this.#name;
  }

  #request(options, verb) {
    return { __proto__: null, collection: this.#name, transaction: this.#transaction, options, verb };
  }

  find(filter, options) {
    return new FindCursor(this.#name, this.#transaction, filter, options);
  }

  findOne(filter, options) {
    return ask(FIND_ONE, "findOne", { ...this.#request(options), filter });
  }

  aggregate(pipeline = [], options) {
    const request = { ...this.#request(options), pipeline };
    return new Cursor((all) => send(AGGREGATE, "aggregate", { ...request, all }));
  }

  async insertOne(document, options) {
    ensureId(document);
    return ask(INSERT_ONE, "insertOne", { ...this.#request(options), document });
  }

  async insertMany(documents, options) {
    if (!ArrayIsArray(documents)) throw new TypeError("insertMany takes an array of documents");
    for (let index = 0; index < documents.length; index++) ensureId(documents[index]);
    return checkBatch(await ask(INSERT_MANY, "insertMany", { ...this.#request(options), documents }));
  }

  updateOne(filter, update, options) {
    return ask(UPDATE, "updateOne", { ...this.#request(options, "updateOne"), filter, update });
  }

  updateMany(filter, update, options) {
    return ask(UPDATE, "updateMany", { ...this.#request(options, "updateMany"), filter, update });
  }

  replaceOne(filter, replacement, options) {
    return ask(UPDATE, "replaceOne", { ...this.#request(options, "replaceOne"), filter, replacement });
  }

  deleteOne(filter = {}, options) {
    return ask(DELETE, "deleteOne", { ...this.#request(options, "deleteOne"), filter });
  }

  deleteMany(filter = {}, options) {
    return ask(DELETE, "deleteMany", { ...this.#request(options, "deleteMany"), filter });
  }

  findOneAndUpdate(filter, update, options) {
    return this.#modify("findOneAndUpdate", options, { __proto__: null, filter, update });
  }

  findOneAndReplace(filter, replacement, options) {
    return this.#modify("findOneAndReplace", options, { __proto__: null, filter, replacement });
  }

  findOneAndDelete(filter, options) {
    return this.#modify("findOneAndDelete", options, { __proto__: null, filter });
  }

  async #modify(verb, options, parts) {
    const value = await ask(FIND_AND_MODIFY, verb, { ...this.#request(options, verb), ...parts });
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
    const outcome = await ask(BULK_WRITE, "bulkWrite", { ...this.#request(options), operations });
    outcome.ok = 1;
    return checkBatch(outcome);
  }

  countDocuments(filter, options) {
    return send(COUNT, "countDocuments", { ...this.#request(options), filter });
  }

  estimatedDocumentCount(options) {
    return send(ESTIMATED_COUNT, "estimatedDocumentCount", this.#request(options));
  }

  distinct(path, filter, options) {
    return ask(DISTINCT, "distinct", { ...this.#request(options), path, filter });
  }

  createIndex(keys, options) {
    return send(CREATE_INDEX, "createIndex", { ...this.#request(options), keys });
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
    return send(DROP_INDEX, "dropIndex", { ...this.#request(options), name });
  }

  listIndexes(options) {
    return new Cursor(() => send(LIST_INDEXES, "listIndexes", this.#request(options)));
  }

  indexes(options) {
    return this.listIndexes(options).toArray();
  }

  drop(options) {
    return send(DROP, "drop", this.#request(options));
  }
}

module.exports = { __proto__: null, Collection };
