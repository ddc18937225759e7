// `ctx`, the function's only argument.

const { ReflectDefineProperty } = require("./primordials.js");
const { op, sync } = require("./call.js");

const HEAD = op("request.head");
const BODY = op("request.body");
const QUERY = op("request.query");
const HEADERS = op("request.headers");
const FILES = op("request.files");
const FILE = op("request.file");

const UNREAD = { __proto__: null };

function filesOf() {
  const files = sync(FILES);
  for (let index = 0; index < files.length; index++) {
    let bytes;
    ReflectDefineProperty(files[index], "bytes", {
      value: () => (bytes ??= sync(FILE, `${index}`)),
      writable: true,
      enumerable: false,
      configurable: true,
    });
  }
  return files;
}

function createContext() {
  const head = sync(HEAD);
  return head.whole ? wholeContext(head) : partialContext(head);
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

/** What costs something to make is made when it is first read. */
function partialContext({ method, path, requestId }) {
  let body = UNREAD;
  let query = UNREAD;
  let headers = UNREAD;
  let files = UNREAD;
  let cloud = UNREAD;
  return {
    method,
    path,
    requestId,
    get body() {
      return body === UNREAD ? (body = sync(BODY)) : body;
    },
    set body(value) {
      body = value;
    },
    get query() {
      return query === UNREAD ? (query = sync(QUERY)) : query;
    },
    set query(value) {
      query = value;
    },
    get headers() {
      return headers === UNREAD ? (headers = sync(HEADERS)) : headers;
    },
    set headers(value) {
      headers = value;
    },
    get files() {
      return files === UNREAD ? (files = filesOf()) : files;
    },
    set files(value) {
      files = value;
    },
    get cloud() {
      return cloud === UNREAD ? (cloud = require("./cloud.js")) : cloud;
    },
    set cloud(value) {
      cloud = value;
    },
  };
}

module.exports = { __proto__: null, createContext };
