// Response.

const { JSONStringify, RangeError, RegExpPrototypeExec, TypeError } = require("../primordials.js");
const { cloneBody, consume, defineBody, extract } = require("./body.js");
const { dictionary, illegal, need, scalarString, tag } = require("./class.js");
const { encode } = require("./encoding.js");
const { Headers, freeze, listOf, setDefault } = require("./headers.js");

/** `reason-phrase` of https://www.rfc-editor.org/rfc/rfc9112#section-4 */
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;
const REDIRECTS = { __proto__: null, 301: true, 302: true, 303: true, 307: true, 308: true };

const hasNullBody = (status) => status === 204 || status === 205 || status === 304;

function statusOf(value) {
  const status = +value;
  if (!(status >= 200 && status <= 599)) throw new RangeError(`Response: the status must be from 200 to 599: ${value}`);
  return status - (status % 1);
}

function reasonOf(value) {
  const text = `${value}`;
  if (RegExpPrototypeExec(REASON, text) === null) throw new TypeError("Response: the status text holds a character that it cannot carry");
  return text;
}

let partsOf;
let takeReply;

class Response {
  #parts;

  static {
    partsOf = (response) => response.#parts;

    /**
     * What is sent for a Response: `status`, `headers` and, by `kind`, no `body`, its `bytes` or a
     * `stream` of them. `undefined` for every other value.
     */
    takeReply = (value) => {
      if (typeof value !== "object" || value === null || !(#parts in value)) return undefined;
      const { status, headers, body, type } = value.#parts;
      if (type === "error") throw new TypeError("Response.error() cannot be the function's answer");
      const reply = { __proto__: null, status, headers: listOf(headers), kind: "empty", body: undefined };
      if (body === null) return reply;
      const content = consume(body, "Response");
      if (typeof content === "string") {
        reply.kind = "bytes";
        reply.body = encode(content);
      } else if (content.read === undefined) {
        reply.kind = "bytes";
        reply.body = content;
      } else {
        reply.kind = "stream";
        reply.body = content;
      }
      return reply;
    };
  }

  constructor(body = null, init = undefined) {
    if (body === illegal) {
      this.#parts = init;
      return;
    }
    const { status = 200, statusText = "", headers } = dictionary(init, "Response");
    const parts = partsWith(statusOf(status), reasonOf(statusText), new Headers(headers));
    if (body !== null) {
      if (hasNullBody(parts.status)) throw new TypeError(`Response: the status ${parts.status} goes without a body`);
      const { body: content, type } = extract(body);
      parts.body = content;
      if (type !== undefined) setDefault(parts.headers, "content-type", type);
    }
    this.#parts = parts;
  }

  static error() {
    const parts = partsWith(0, "", freeze(new Headers()));
    parts.type = "error";
    return makeResponse(parts);
  }

  static json(data, init = undefined) {
    need(1, arguments.length, "Response.json");
    const text = JSONStringify(data);
    if (text === undefined) throw new TypeError("Response.json: the value cannot be turned into JSON");
    const response = new Response(text, init);
    const typed = init?.headers !== undefined && new Headers(init.headers).has("content-type");
    if (!typed) response.#parts.headers.set("content-type", "application/json");
    return response;
  }

  static redirect(url, status = 302) {
    need(1, arguments.length, "Response.redirect");
    if (REDIRECTS[status] === undefined) throw new RangeError(`Response.redirect: the status must be 301, 302, 303, 307 or 308: ${status}`);
    const headers = new Headers();
    headers.append("location", locationOf(scalarString(url)));
    return makeResponse(partsWith(+status, "", freeze(headers)));
  }

  get type() {
    return this.#parts.type;
  }

  get url() {
    return this.#parts.url;
  }

  get redirected() {
    return this.#parts.redirected;
  }

  get status() {
    return this.#parts.status;
  }

  get ok() {
    return this.#parts.status >= 200 && this.#parts.status <= 299;
  }

  get statusText() {
    return this.#parts.statusText;
  }

  get headers() {
    return this.#parts.headers;
  }

  clone() {
    const { status, statusText, headers, type, url, redirected, body } = this.#parts;
    const copy = partsWith(status, statusText, new Headers(headers));
    copy.type = type;
    copy.url = url;
    copy.redirected = redirected;
    copy.body = cloneBody(body, "Response");
    return makeResponse(copy);
  }
}
tag(Response, "Response");
defineBody(Response.prototype, "Response", (response) => partsOf(response));

function partsWith(status, statusText, headers) {
  return { __proto__: null, status, statusText, headers, type: "default", url: "", redirected: false, body: null };
}

/** A Response of parts that are checked already. */
function makeResponse(parts) {
  return new Response(illegal, parts);
}

/** A path is left for the client to resolve: a function does not know the address it has there. */
function locationOf(url) {
  const { URL } = require("./url.js");
  const absolute = URL.parse(url);
  if (absolute !== null) return absolute.href;
  const resolved = URL.parse(url, "http://host.invalid/");
  if (resolved === null || url[0] !== "/" || resolved.host !== "host.invalid") {
    throw new TypeError(`Response.redirect: ${url} is neither an absolute URL nor a path that starts with a slash`);
  }
  return `${resolved.pathname}${resolved.search}${resolved.hash}`;
}

module.exports = { __proto__: null, Response, makeResponse, partsWith, takeReply };
