// `cloud.database()`.

const { Error } = require("./primordials.js");
const { op } = require("./call.js");
const { Collection } = require("./database/collection.js");
const { Cursor } = require("./database/cursor.js");
const { NO_HEAD, send } = require("./database/requests.js");
const { defineTypes } = require("./types.js");

const LIST_COLLECTIONS = op("documents.listCollections");

class Database {
  #transaction;

  constructor(transaction) {
    this.#transaction = transaction;
  }

  collection(name) {
    return new Collection(name, this.#transaction);
  }

  /** The filter may be `{name}`. */
  listCollections(filter, options) {
    return new Cursor(() => send(LIST_COLLECTIONS, "listCollections", NO_HEAD, ["filter", filter, "options", options]));
  }

  dropCollection(name, options) {
    return this.collection(name).drop(options);
  }

  /**
   * Runs `callback` with a database whose writes happen together or not at all: committed when it
   * returns, aborted when it throws, run again when another transaction won.
   */
  async withTransaction(callback) {
    if (this.#transaction !== null) throw new Error("A transaction cannot be opened inside another");
    const { withTransaction } = require("./database/transaction.js");
    return withTransaction(callback, (handle) => new Database(handle));
  }
}
defineTypes(Database.prototype);

module.exports = { __proto__: null, database: new Database(null) };
