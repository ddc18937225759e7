// `ctx` of a call that has a large body, a query or files: each is read once it is looked at.

const { ReflectDefineProperty } = require("./primordials.js");
const { op, syncOf } = require("./call.js");

const HEAD = op("request.head");
const BODY = op("request.body");
const QUERY = op("request.query");
const FILES = op("request.files");
const FILE = op("request.file");

function filesOf(invocation) {
  const files = syncOf(FILES, invocation);
  for (let index = 0; index < files.length; index++) {
    let bytes;
    ReflectDefineProperty(files[index], "bytes", {
      __proto__: null,
      value: () => (bytes ??= syncOf(FILE, invocation, `${index}`)),
      writable: true,
      enumerable: false,
      configurable: true,
    });
  }
  return files;
}

/** Gives a function that makes a `ctx` without `headers` and `cloud`; `lazy` makes properties of it. */
function define(lazy) {
  const bodyProperty = lazy("body", (invocation) => syncOf(BODY, invocation));
  const queryProperty = lazy("query", (invocation) => syncOf(QUERY, invocation));
  const filesProperty = lazy("files", filesOf);
  return (invocation) => {
    const context = syncOf(HEAD, invocation);
    ReflectDefineProperty(context, "body", bodyProperty);
    ReflectDefineProperty(context, "query", queryProperty);
    ReflectDefineProperty(context, "files", filesProperty);
    return context;
  };
}

module.exports = { __proto__: null, define };
