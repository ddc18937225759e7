// Headers.

const {
  ArrayPrototypePush, ArrayPrototypeSort, ArrayPrototypeSplice, ObjectPrototypePropertyIsEnumerable, ReflectApply, ReflectOwnKeys,
  RegExpPrototypeExec, StringPrototypeToLowerCase, SymbolIterator, TypeError,
} = require("../primordials.js");
const { iterableBy, need, pairIterators, tag } = require("./class.js");

/** `token` of https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** What `field-value` of the same RFC leaves out, once the space around it is gone. */
const OUTSIDE_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const TRIMMED = /^[\t\n\r ]*([^]*?)[\t\n\r ]*$/;

const iterate = pairIterators("Headers");

function nameOf(value, what) {
  const name = `${value}`;
  if (RegExpPrototypeExec(NAME, name) === null) {
    throw new TypeError(`${what}: ${name === "" ? "an empty string" : name} is not a header name`);
  }
  return StringPrototypeToLowerCase(name);
}

function valueOf(name, given, what) {
  const value = trim(`${given}`);
  if (RegExpPrototypeExec(OUTSIDE_VALUE, value) !== null) {
    throw new TypeError(`${what}: the value of ${name} holds a character that headers cannot carry`);
  }
  return value;
}

function trim(value) {
  const first = value[0];
  const last = value[value.length - 1];
  return first > " " && last > " " ? value : RegExpPrototypeExec(TRIMMED, value)[1];
}

let headersFrom;
let listOf;
let setDefault;
let freeze;

class Headers {
  #list = [];
  #sorted;
  #immutable = false;

  static {
    /** Headers over pairs that the host gave: names lower case, values well-formed. */
    headersFrom = (list) => {
      const headers = new Headers();
      headers.#list = list;
      return headers;
    };
    listOf = (headers) => headers.#list;
    /** Sets `name` unless it is there. */
    setDefault = (headers, name, value) => {
      if (headers.#find(name) < 0) headers.#push(name, value);
    };
    freeze = (headers) => {
      headers.#immutable = true;
      return headers;
    };
  }

  constructor(init = undefined) {
    if (init === undefined) return;
    if ((typeof init !== "object" && typeof init !== "function") || init === null) {
      throw new TypeError("Headers: expected an object, an array of pairs or Headers");
    }
    if (#list in init) this.#fillFromHeaders(init);
    else if (init[SymbolIterator] !== undefined && init[SymbolIterator] !== null) this.#fillFromPairs(init);
    else this.#fillFromRecord(init);
  }

  append(name, value) {
    need(2, arguments.length, "Headers.append");
    this.#append(name, value, "Headers.append");
  }

  delete(name) {
    need(1, arguments.length, "Headers.delete");
    const key = nameOf(name, "Headers.delete");
    this.#guard("Headers.delete");
    this.#remove(key, 0);
  }

  get(name) {
    need(1, arguments.length, "Headers.get");
    const key = nameOf(name, "Headers.get");
    let value = null;
    for (let index = 0; index < this.#list.length; index++) {
      const pair = this.#list[index];
      if (pair[0] === key) value = value === null ? pair[1] : `${value}, ${pair[1]}`;
    }
    return value;
  }

  getSetCookie() {
    const values = [];
    for (let index = 0; index < this.#list.length; index++) {
      if (this.#list[index][0] === "set-cookie") ArrayPrototypePush(values, this.#list[index][1]);
    }
    return values;
  }

  has(name) {
    need(1, arguments.length, "Headers.has");
    return this.#find(nameOf(name, "Headers.has")) >= 0;
  }

  set(name, value) {
    need(2, arguments.length, "Headers.set");
    const key = nameOf(name, "Headers.set");
    const text = valueOf(key, value, "Headers.set");
    this.#guard("Headers.set");
    const index = this.#find(key);
    if (index < 0) return this.#push(key, text);
    this.#list[index] = [key, text];
    this.#remove(key, index + 1);
  }

  forEach(callback, self = undefined) {
    need(1, arguments.length, "Headers.forEach");
    if (typeof callback !== "function") throw new TypeError("Headers.forEach: the callback must be a function");
    for (let index = 0; index < this.#combined().length; index++) {
      const { 0: name, 1: value } = this.#combined()[index];
      ReflectApply(callback, self, [value, name, this]);
    }
  }

  entries() {
    this.#list;
    return iterate(() => this.#combined(), "entries");
  }

  keys() {
    this.#list;
    return iterate(() => this.#combined(), "keys");
  }

  values() {
    this.#list;
    return iterate(() => this.#combined(), "values");
  }

  #fillFromHeaders(headers) {
    for (let index = 0; index < headers.#list.length; index++) this.#push(headers.#list[index][0], headers.#list[index][1]);
  }

  #fillFromPairs(pairs) {
    for (const pair of pairs) {
      if ((typeof pair !== "object" && typeof pair !== "function") || pair === null || typeof pair[SymbolIterator] !== "function") {
        throw new TypeError("Headers: each pair must be an iterable of a name and a value");
      }
      const parts = [];
      for (const part of pair) ArrayPrototypePush(parts, part);
      if (parts.length !== 2) throw new TypeError("Headers: each pair must be an iterable of a name and a value");
      this.#append(parts[0], parts[1], "Headers");
    }
  }

  #fillFromRecord(record) {
    const keys = ReflectOwnKeys(record);
    for (let index = 0; index < keys.length; index++) {
      if (typeof keys[index] === "symbol") throw new TypeError("Headers: a name must be a string");
      if (ObjectPrototypePropertyIsEnumerable(record, keys[index])) this.#append(keys[index], record[keys[index]], "Headers");
    }
  }

  #append(name, value, what) {
    const key = nameOf(name, what);
    const text = valueOf(key, value, what);
    this.#guard(what);
    this.#push(key, text);
  }

  #guard(what) {
    if (this.#immutable) throw new TypeError(`${what}: these headers cannot be changed`);
  }

  #push(name, value) {
    ArrayPrototypePush(this.#list, [name, value]);
    this.#sorted = undefined;
  }

  #remove(name, from) {
    for (let index = this.#list.length - 1; index >= from; index--) {
      if (this.#list[index][0] === name) ArrayPrototypeSplice(this.#list, index, 1);
    }
    this.#sorted = undefined;
  }

  #find(name) {
    for (let index = 0; index < this.#list.length; index++) if (this.#list[index][0] === name) return index;
    return -1;
  }

  /** The pairs as iteration shows them: by name, repeated ones joined, each cookie by itself. */
  #combined() {
    if (this.#sorted !== undefined) return this.#sorted;
    const combined = [];
    const places = { __proto__: null };
    for (let index = 0; index < this.#list.length; index++) {
      const { 0: name, 1: value } = this.#list[index];
      if (name !== "set-cookie" && places[name] !== undefined) {
        places[name][1] += `, ${value}`;
        continue;
      }
      places[name] = [name, value];
      ArrayPrototypePush(combined, places[name]);
    }
    ArrayPrototypeSort(combined, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    return (this.#sorted = combined);
  }
}
tag(Headers, "Headers");
iterableBy(Headers, "entries");

module.exports = { __proto__: null, Headers, headersFrom, listOf, setDefault, freeze };
