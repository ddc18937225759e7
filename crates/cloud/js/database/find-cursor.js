// The cursor of `find`, whose query grows by chaining until the first document is read.

const { ObjectAssign } = require("../primordials.js");
const { op } = require("../call.js");
const { Cursor, assertUnused } = require("./cursor.js");
const { ask, send } = require("./requests.js");

const FIND = op("documents.find");
const COUNT = op("documents.count");
const EXPLAIN = op("documents.explain");

class FindCursor extends Cursor {
  #request;

  constructor(collection, transaction, filter, options) {
    const request = { __proto__: null, collection, transaction, filter, options: ObjectAssign({ __proto__: null }, options) };
    super((all) => send(FIND, "find", { __proto__: null, ...request, all }));
    this.#request = request;
  }

  #set(name, value) {
    assertUnused(this);
    this.#request.options[name] = value;
    return this;
  }

  filter(filter) {
    assertUnused(this);
    this.#request.filter = filter;
    return this;
  }

  sort(keys, direction) {
    return this.#set("sort", direction === undefined ? keys : [[keys, direction]]);
  }

  skip(count) {
    return this.#set("skip", count);
  }

  limit(count) {
    return this.#set("limit", count);
  }

  project(projection) {
    return this.#set("projection", projection);
  }

  batchSize(count) {
    return this.#set("batchSize", count);
  }

  maxTimeMS(milliseconds) {
    return this.#set("maxTimeMS", milliseconds);
  }

  hint(index) {
    return this.#set("hint", index);
  }

  comment(text) {
    return this.#set("comment", text);
  }

  /** How many documents the cursor would give. */
  count() {
    const { collection, transaction, filter, options } = this.#request;
    const { skip, limit, maxTimeMS } = options;
    return send(COUNT, "count", { __proto__: null, collection, transaction, filter, options: { __proto__: null, skip, limit, maxTimeMS } });
  }

  /** What part of the query the store itself runs. */
  explain() {
    return ask(EXPLAIN, "explain", this.#request);
  }

  clone() {
    const { collection, transaction, filter, options } = this.#request;
    return new FindCursor(collection, transaction, filter, options);
  }
}

module.exports = { __proto__: null, FindCursor };
