// `ctx` of a call whose body did not come with its head, or that has a query or files.

const { ReflectDefineProperty } = require("./primordials.js");
const { op, syncOf } = require("./call.js");

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

/** Gives a function that adds what a `ctx` lacks; `lazy` makes properties of it. */
function create(lazy) {
  const bodyProperty = lazy("body", (invocation) => syncOf(BODY, invocation));
  const queryProperty = lazy("query", (invocation) => syncOf(QUERY, invocation));
  const filesProperty = lazy("files", filesOf);
  return (context) => {
    ReflectDefineProperty(context, "body", bodyProperty);
    ReflectDefineProperty(context, "query", queryProperty);
    ReflectDefineProperty(context, "files", filesProperty);
  };
}

module.exports = { __proto__: null, create };
