// The cursor of `find`, whose query grows by chaining until the first document is read.

const { ObjectAssign } = require("../primordials.js");
const { op } = require("../call.js");
const { Cursor, assertUnused } = require("./cursor.js");
const { ask, send } = require("./requests.js");

const FIND = op("documents.find");
const COUNT = op("documents.count");
const EXPLAIN = op("documents.explain");

class FindCursor extends Cursor {
  #head;
  #filter;
  #options;

  /** `head` is that of requests to the collection. */
  constructor(head, filter, options) {
    super((all) => send(FIND, "find", head, ["filter", this.#filter, "options", this.#options, "all", all]));
    this.#head = head;
    this.#filter = filter;
    this.#options = ObjectAssign({ __proto__: null }, options);
  }

  #set(name, value) {
    assertUnused(this);
    this.#options[name] = value;
    return this;
  }

  filter(filter) {
    assertUnused(this);
    this.#filter = filter;
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
    const { skip, limit, maxTimeMS } = this.#options;
    return send(COUNT, "count", this.#head, ["filter", this.#filter, "options", { __proto__: null, skip, limit, maxTimeMS }]);
  }

  /** What part of the query the store itself runs. */
  explain() {
    return ask(EXPLAIN, "explain", this.#head, ["filter", this.#filter, "options", this.#options]);
  }

  clone() {
    return new FindCursor(this.#head, this.#filter, this.#options);
  }
}

module.exports = { __proto__: null, FindCursor };
