// The Web APIs on the global object: each loads its file when it is first touched.

const from = (file, name) => () => require(file)[name];

module.exports = {
  __proto__: null,
  console: from("../console.js", "console"),
  queueMicrotask: from("../entry.js", "queueMicrotask"),
  URL: from("./url.js", "URL"),
  URLSearchParams: from("./search-params.js", "URLSearchParams"),
  TextEncoder: from("./encoding.js", "TextEncoder"),
  TextDecoder: from("./encoding.js", "TextDecoder"),
  Headers: from("./headers.js", "Headers"),
  Request: from("./request.js", "Request"),
  Response: from("./response.js", "Response"),
  fetch: from("./fetch.js", "fetch"),
  Blob: from("./blob.js", "Blob"),
  File: from("./blob.js", "File"),
  FormData: from("./form-data.js", "FormData"),
  ReadableStream: from("./streams.js", "ReadableStream"),
  WritableStream: from("./writable-streams.js", "WritableStream"),
  Event: from("./events.js", "Event"),
  EventTarget: from("./events.js", "EventTarget"),
  AbortController: from("./abort.js", "AbortController"),
  AbortSignal: from("./abort.js", "AbortSignal"),
  DOMException: from("./dom-exception.js", "DOMException"),
  structuredClone: from("./structured-clone.js", "structuredClone"),
  atob: from("./base64.js", "atob"),
  btoa: from("./base64.js", "btoa"),
  crypto: from("./crypto.js", "crypto"),
  performance: from("./performance.js", "performance"),
};

// A late first touch of `performance` must still count from here.
require("./time-origin.js");
