// `ctx`, the function's only argument.

const { op, sync } = require("./call.js");

const HEAD = op("request.head");
const HEADERS = op("request.headers");

const UNREAD = { __proto__: null };

/** What few functions need. */
let partial;

function createContext() {
  const head = sync(HEAD);
  if (head.whole) return wholeContext(head);
  partial ??= require("./partial-context.js");
  return partial.partialContext(head);
}

/** Most calls: a small body, which came with the head, no query and no file. */
function wholeContext({ method, path, requestId, hasBody, body: sent, headers }) {
  const body = hasBody ? sent : undefined;
  // Another function calls: there are no headers.
  if (headers !== null && require.isLoaded("cloud.js")) {
    return { method, path, requestId, body, query: {}, headers, files: [], cloud: require("./cloud.js") };
  }
  headers ??= UNREAD;
  let cloud = UNREAD;
  return {
    method,
    path,
    requestId,
    body,
    query: {},
    get headers() {
      return headers === UNREAD ? (headers = sync(HEADERS)) : headers;
    },
    set headers(value) {
      headers = value;
    },
    files: [],
    get cloud() {
      return cloud === UNREAD ? (cloud = require("./cloud.js")) : cloud;
    },
    set cloud(value) {
      cloud = value;
    },
  };
}

module.exports = { __proto__: null, createContext };
