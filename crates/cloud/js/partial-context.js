// `ctx` of a call whose body did not come with its head, or that has a query or files.

const { ReflectDefineProperty } = require("./primordials.js");
const { op, sync } = require("./call.js");

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

module.exports = { __proto__: null, partialContext };
