// Request.

const { RegExpPrototypeExec, StringPrototypeToUpperCase, TypeError } = require("../primordials.js");
const { cloneBody, defineBody, extract } = require("./body.js");
const { dictionary, need, tag } = require("./class.js");
const { Headers, setDefault } = require("./headers.js");
const { URL } = require("./url.js");

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Methods whose spelling is corrected, by https://fetch.spec.whatwg.org/#concept-method-normalize. */
const NORMALIZED = { __proto__: null, DELETE: true, GET: true, HEAD: true, OPTIONS: true, POST: true, PUT: true };
const FORBIDDEN = { __proto__: null, CONNECT: true, TRACE: true, TRACK: true };
const REDIRECTS = { __proto__: null, follow: true, error: true, manual: true };

function methodOf(value) {
  const method = `${value}`;
  if (RegExpPrototypeExec(METHOD, method) === null) throw new TypeError(`Request: ${method} is not an HTTP method`);
  const upper = StringPrototypeToUpperCase(method);
  if (FORBIDDEN[upper]) throw new TypeError(`Request: the method ${method} is not allowed`);
  return NORMALIZED[upper] ? upper : method;
}

function redirectOf(value) {
  const mode = `${value}`;
  if (REDIRECTS[mode] === undefined) throw new TypeError(`Request: redirect must be "follow", "error" or "manual": ${mode}`);
  return mode;
}

function signalOf(value) {
  if (value === undefined || value === null) return undefined;
  if (!require("./abort.js").isSignal(value)) throw new TypeError("Request: the signal must be an AbortSignal");
  return value;
}

function addressOf(input) {
  const url = new URL(input);
  if (url.username !== "" || url.password !== "") throw new TypeError(`Request: an address with credentials is refused: ${url.host}`);
  return url.href;
}

/** What is kept of a request; `source` is the one that it is made from. */
function partsFrom(source, init) {
  const method = init.method === undefined ? (source?.method ?? "GET") : methodOf(init.method);
  const headers = new Headers(init.headers === undefined ? source?.headers : init.headers);
  const redirect = init.redirect === undefined ? (source?.redirect ?? "follow") : redirectOf(init.redirect);
  const signal = init.signal === undefined ? source?.signal : signalOf(init.signal);
  const { cache = source?.cache ?? "default", credentials = source?.credentials ?? "same-origin" } = init;
  const { integrity = source?.integrity ?? "", keepalive = source?.keepalive ?? false } = init;
  const { mode = source?.mode ?? "cors", referrer = "about:client", referrerPolicy = "" } = init;
  const rest = {
    __proto__: null, cache: `${cache}`, credentials: `${credentials}`, integrity: `${integrity}`, keepalive: !!keepalive, mode: `${mode}`,
    referrer: `${referrer}`, referrerPolicy: `${referrerPolicy}`,
  };
  return { __proto__: null, method, url: undefined, headers, redirect, signal, body: null, ...rest };
}

let partsOf;

class Request {
  #parts;

  static {
    partsOf = (request) => request.#parts;
  }

  constructor(input, init = undefined) {
    need(1, arguments.length, "Request");
    const options = dictionary(init, "Request");
    const source = typeof input === "object" && input !== null && #parts in input ? input.#parts : undefined;
    const parts = partsFrom(source, options);
    parts.url = source === undefined ? addressOf(input) : source.url;
    const { body } = options;
    const given = body !== undefined && body !== null;
    if ((given || (source !== undefined && source.body !== null)) && (parts.method === "GET" || parts.method === "HEAD")) {
      throw new TypeError(`Request: ${parts.method} goes without a body`);
    }
    if (given) {
      const { body: content, type } = extract(body);
      parts.body = content;
      if (type !== undefined) setDefault(parts.headers, "content-type", type);
    } else if (source !== undefined && source.body !== null) {
      parts.body = cloneBody(source.body, "Request");
      source.body.used = true;
    }
    this.#parts = parts;
  }

  get method() {
    return this.#parts.method;
  }

  get url() {
    return this.#parts.url;
  }

  get headers() {
    return this.#parts.headers;
  }

  get redirect() {
    return this.#parts.redirect;
  }

  get signal() {
    return (this.#parts.signal ??= new (require("./abort.js").AbortController)().signal);
  }

  get cache() {
    return this.#parts.cache;
  }

  get credentials() {
    return this.#parts.credentials;
  }

  get destination() {
    this.#parts;
    return "";
  }

  get duplex() {
    this.#parts;
    return "half";
  }

  get integrity() {
    return this.#parts.integrity;
  }

  get keepalive() {
    return this.#parts.keepalive;
  }

  get mode() {
    return this.#parts.mode;
  }

  get referrer() {
    return this.#parts.referrer;
  }

  get referrerPolicy() {
    return this.#parts.referrerPolicy;
  }

  clone() {
    const parts = this.#parts;
    const body = cloneBody(parts.body, "Request");
    const copy = new Request(parts.url, { __proto__: null, ...parts, body: undefined });
    copy.#parts.body = body;
    return copy;
  }
}
tag(Request, "Request");
defineBody(Request.prototype, "Request", (request) => partsOf(request));

module.exports = { __proto__: null, Request, partsOf };
