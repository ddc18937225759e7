// URL. Parsing and every setter's rules are the host's; this class holds what came out.

const { JSONStringify, TypeError } = require("../primordials.js");
const { op, sync } = require("../call.js");
const { need, scalarString, tag } = require("./class.js");
const { URLSearchParams, attach, reset } = require("./search-params.js");

const PARSE = op("url.parse");
const RESOLVE = op("url.resolve");
const SET = op("url.set");

/** The places of the parts in what the host answers. */
const HREF = 0;
const ORIGIN = 1;
const PROTOCOL = 2;
const USERNAME = 3;
const PASSWORD = 4;
const HOST = 5;
const HOSTNAME = 6;
const PORT = 7;
const PATHNAME = 8;
const SEARCH = 9;
const HASH = 10;

/** The parts of an address; `undefined` when it is none. */
function parse(url, base) {
  const address = scalarString(url);
  return base === undefined ? sync(PARSE, address) : sync(RESOLVE, JSONStringify([address, scalarString(base)]));
}

function invalid(url, base) {
  const error = new TypeError(base === undefined ? `Invalid URL: ${url}` : `Invalid URL: ${url} with base ${base}`);
  error.code = "ERR_INVALID_URL";
  return error;
}

class URL {
  #parts;
  #params;

  constructor(url, base = undefined) {
    need(1, arguments.length, "URL");
    this.#parts = parse(url, base);
    if (this.#parts === undefined) throw invalid(url, base);
  }

  static canParse(url, base = undefined) {
    need(1, arguments.length, "URL.canParse");
    return parse(url, base) !== undefined;
  }

  static parse(url, base = undefined) {
    need(1, arguments.length, "URL.parse");
    return parse(url, base) === undefined ? null : new URL(url, base);
  }

  get href() {
    return this.#parts[HREF];
  }

  set href(value) {
    const parts = parse(value, undefined);
    if (parts === undefined) throw invalid(value, undefined);
    this.#parts = parts;
    this.#resetParams();
  }

  get origin() {
    return this.#parts[ORIGIN];
  }

  get protocol() {
    return this.#parts[PROTOCOL];
  }

  set protocol(value) {
    this.#set("protocol", value);
  }

  get username() {
    return this.#parts[USERNAME];
  }

  set username(value) {
    this.#set("username", value);
  }

  get password() {
    return this.#parts[PASSWORD];
  }

  set password(value) {
    this.#set("password", value);
  }

  get host() {
    return this.#parts[HOST];
  }

  set host(value) {
    this.#set("host", value);
  }

  get hostname() {
    return this.#parts[HOSTNAME];
  }

  set hostname(value) {
    this.#set("hostname", value);
  }

  get port() {
    return this.#parts[PORT];
  }

  set port(value) {
    this.#set("port", value);
  }

  get pathname() {
    return this.#parts[PATHNAME];
  }

  set pathname(value) {
    this.#set("pathname", value);
  }

  get search() {
    return this.#parts[SEARCH];
  }

  set search(value) {
    this.#set("search", value);
    this.#resetParams();
  }

  get searchParams() {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams(this.#parts[SEARCH]);
      attach(this.#params, (params) => this.#set("search", params));
    }
    return this.#params;
  }

  get hash() {
    return this.#parts[HASH];
  }

  set hash(value) {
    this.#set("hash", value);
  }

  toString() {
    return this.#parts[HREF];
  }

  toJSON() {
    return this.#parts[HREF];
  }

  /** A value that the part cannot take leaves the address as it was. */
  #set(part, value) {
    this.#parts = sync(SET, JSONStringify([this.#parts[HREF], part, scalarString(value)])) ?? this.#parts;
  }

  #resetParams() {
    if (this.#params !== undefined) reset(this.#params, this.#parts[SEARCH].slice(1));
  }
}
tag(URL, "URL");

module.exports = { __proto__: null, URL };
