// URLSearchParams.

const {
  ArrayPrototypePush, ArrayPrototypeSort, ArrayPrototypeSplice, JSONStringify, ObjectKeys, ReflectApply, SymbolIterator, TypeError,
} = require("../primordials.js");
const { op, sync } = require("../call.js");
const brands = require("./brands.js");
const { iterableBy, need, pairIterators, scalarString, tag } = require("./class.js");

const PARSE = op("url.parseQuery");
const SERIALIZE = op("url.serializeQuery");

const iterate = pairIterators("URLSearchParams");

/** The pairs of a query without its question mark. */
function parse(query) {
  return query === "" ? [] : sync(PARSE, query);
}

function fromSequence(sequence) {
  const list = [];
  for (const pair of sequence) {
    if ((typeof pair !== "object" && typeof pair !== "function") || pair === null || typeof pair[SymbolIterator] !== "function") {
      throw new TypeError("URLSearchParams: each pair must be an iterable of a name and a value");
    }
    const parts = [];
    for (const part of pair) ArrayPrototypePush(parts, scalarString(part));
    if (parts.length !== 2) throw new TypeError("URLSearchParams: each pair must be an iterable of a name and a value");
    ArrayPrototypePush(list, parts);
  }
  return list;
}

function fromRecord(record) {
  const list = [];
  const keys = ObjectKeys(record);
  for (let index = 0; index < keys.length; index++) {
    ArrayPrototypePush(list, [scalarString(keys[index]), scalarString(record[keys[index]])]);
  }
  return list;
}

let listOf;
let attach;
let reset;

class URLSearchParams {
  #list;
  #onChange;

  static {
    listOf = (params) => params.#list;
    attach = (params, onChange) => (params.#onChange = onChange);
    reset = (params, query) => (params.#list = parse(query));
    brands.isSearchParams = (value) => #list in value;
  }

  constructor(init = "") {
    if ((typeof init === "object" || typeof init === "function") && init !== null) {
      const iterator = init[SymbolIterator];
      this.#list = iterator !== undefined && iterator !== null ? fromSequence(init) : fromRecord(init);
    } else {
      const query = scalarString(init);
      this.#list = parse(query[0] === "?" ? query.slice(1) : query);
    }
  }

  get size() {
    return this.#list.length;
  }

  append(name, value) {
    need(2, arguments.length, "URLSearchParams.append");
    ArrayPrototypePush(this.#list, [scalarString(name), scalarString(value)]);
    this.#changed();
  }

  delete(name, value = undefined) {
    need(1, arguments.length, "URLSearchParams.delete");
    const key = scalarString(name);
    const only = value === undefined ? undefined : scalarString(value);
    const list = this.#list;
    for (let index = list.length - 1; index >= 0; index--) {
      if (list[index][0] === key && (only === undefined || list[index][1] === only)) ArrayPrototypeSplice(list, index, 1);
    }
    this.#changed();
  }

  get(name) {
    need(1, arguments.length, "URLSearchParams.get");
    const key = scalarString(name);
    const list = this.#list;
    for (let index = 0; index < list.length; index++) if (list[index][0] === key) return list[index][1];
    return null;
  }

  getAll(name) {
    need(1, arguments.length, "URLSearchParams.getAll");
    const key = scalarString(name);
    const values = [];
    const list = this.#list;
    for (let index = 0; index < list.length; index++) if (list[index][0] === key) ArrayPrototypePush(values, list[index][1]);
    return values;
  }

  has(name, value = undefined) {
    need(1, arguments.length, "URLSearchParams.has");
    const key = scalarString(name);
    const only = value === undefined ? undefined : scalarString(value);
    const list = this.#list;
    for (let index = 0; index < list.length; index++) {
      if (list[index][0] === key && (only === undefined || list[index][1] === only)) return true;
    }
    return false;
  }

  set(name, value) {
    need(2, arguments.length, "URLSearchParams.set");
    const key = scalarString(name);
    const text = scalarString(value);
    const list = this.#list;
    let found = false;
    for (let index = 0; index < list.length; index++) {
      if (list[index][0] !== key) continue;
      if (found) ArrayPrototypeSplice(list, index--, 1);
      else list[index][1] = text;
      found = true;
    }
    if (!found) ArrayPrototypePush(list, [key, text]);
    this.#changed();
  }

  sort() {
    ArrayPrototypeSort(this.#list, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    this.#changed();
  }

  forEach(callback, self = undefined) {
    need(1, arguments.length, "URLSearchParams.forEach");
    if (typeof callback !== "function") throw new TypeError("URLSearchParams.forEach: the callback must be a function");
    for (let index = 0; index < this.#list.length; index++) {
      const { 0: name, 1: value } = this.#list[index];
      ReflectApply(callback, self, [value, name, this]);
    }
  }

  entries() {
    this.#list;
    return iterate(() => this.#list, "entries");
  }

  keys() {
    this.#list;
    return iterate(() => this.#list, "keys");
  }

  values() {
    this.#list;
    return iterate(() => this.#list, "values");
  }

  toString() {
    return this.#list.length === 0 ? "" : sync(SERIALIZE, JSONStringify(this.#list));
  }

  #changed() {
    this.#onChange?.(this);
  }
}
tag(URLSearchParams, "URLSearchParams");
iterableBy(URLSearchParams, "entries");

module.exports = { __proto__: null, URLSearchParams, listOf, attach, reset };
