// Cursors: documents in batches, fetched when they are needed.

const { ArrayPrototypePush, Error, SymbolAsyncIterator, TypeError } = require("../primordials.js");
const { async, ignoreRejection, op } = require("../call.js");
const { restore, save } = require("../context.js");
const { reviveReply } = require("../bson/revive.js");

const NEXT = op("documents.next");
const CLOSE = op("documents.close");

const UNUSED = { __proto__: null };
const OPEN = { __proto__: null };
const DONE = { __proto__: null };

/** Throws when documents were asked for already, so that a change of the query would come too late. */
let assertUnused;

class Cursor {
  #open;
  #state = UNUSED;
  #handle = null;
  #batch = [];
  #index = 0;
  #fetching;
  #transform;

  static {
    assertUnused = (cursor) => {
      if (cursor.#state !== UNUSED) throw new Error("The cursor is in use: sort, skip, limit and the like come before the first document is read");
    };
  }

  /** `open(all)` sends the query; `all` asks for every document at once. */
  constructor(open) {
    this.#open = open;
  }

  get closed() {
    return this.#state === DONE && this.#index >= this.#batch.length;
  }

  map(transform) {
    if (typeof transform !== "function") throw new TypeError("map takes a function");
    assertUnused(this);
    const before = this.#transform;
    this.#transform = before === undefined ? transform : (document) => transform(before(document));
    return this;
  }

  next() {
    return this.#advance(null);
  }

  tryNext() {
    return this.next();
  }

  async hasNext() {
    const token = save();
    while (this.#index >= this.#batch.length) {
      if (this.#state === DONE) return false;
      restore(token, await this.#fetch(false));
    }
    return true;
  }

  async toArray() {
    const token = save();
    const documents = [];
    for (;;) {
      while (this.#index < this.#batch.length) ArrayPrototypePush(documents, this.#take());
      if (this.#state === DONE) return documents;
      restore(token, await this.#fetch(true));
    }
  }

  /** Ends early when `visit` returns `false`. */
  async forEach(visit) {
    if (typeof visit !== "function") throw new TypeError("forEach takes a function");
    const token = save();
    for (;;) {
      const document = restore(token, await this.#advance(DONE));
      if (document === DONE) return;
      if (visit(document) === false) return this.close();
    }
  }

  async close() {
    const handle = this.#handle;
    this.#state = DONE;
    this.#handle = null;
    this.#batch = [];
    this.#index = 0;
    if (handle !== null) await async(CLOSE, `${handle}`);
  }

  /** Starts again with the same query. */
  rewind() {
    const handle = this.#handle;
    this.#state = UNUSED;
    this.#handle = null;
    this.#batch = [];
    this.#index = 0;
    if (handle !== null) ignoreRejection(async(CLOSE, `${handle}`));
  }

  [SymbolAsyncIterator]() {
    return {
      next: async () => {
        const value = await this.#advance(DONE);
        return value === DONE ? { value: undefined, done: true } : { value, done: false };
      },
      return: async (value) => {
        await this.close();
        return { value, done: true };
      },
      [SymbolAsyncIterator]() {
        return this;
      },
    };
  }

  /** The next document, or `end`. Looking and taking are one step: several calls may wait here. */
  async #advance(end) {
    const token = save();
    while (this.#index >= this.#batch.length) {
      if (this.#state === DONE) return end;
      restore(token, await this.#fetch(false));
    }
    return this.#take();
  }

  #take() {
    const document = this.#batch[this.#index];
    // A long batch must not keep what was handed out already.
    this.#batch[this.#index++] = undefined;
    return this.#transform === undefined ? document : (0, this.#transform)(document);
  }

  /** One batch at a time, however many wait for it. */
  #fetch(all) {
    return (this.#fetching ??= this.#fetchOnce(all));
  }

  async #fetchOnce(all) {
    const opening = this.#state === UNUSED;
    this.#state = OPEN;
    try {
      const reply = await (opening ? this.#open(all) : async(NEXT, `${this.#handle}`));
      // It was closed meanwhile.
      if (this.#state !== OPEN) return;
      this.#batch = reviveReply(reply);
      this.#index = 0;
      this.#handle = reply.cursor ?? null;
      if (this.#handle === null) this.#state = DONE;
    } catch (error) {
      this.#state = DONE;
      this.#handle = null;
      throw error;
    } finally {
      this.#fetching = undefined;
    }
  }
}

module.exports = { __proto__: null, Cursor, assertUnused: (cursor) => assertUnused(cursor) };
