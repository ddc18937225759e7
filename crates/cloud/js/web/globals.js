// The Web APIs on the global object: each loads its file when it is first touched.

const FILES = {
  __proto__: null,
  console: "../console.js",
  queueMicrotask: "../entry.js",
  setTimeout: "../timers.js",
  setInterval: "../timers.js",
  clearTimeout: "../timers.js",
  clearInterval: "../timers.js",
  URL: "./url.js",
  URLSearchParams: "./search-params.js",
  TextEncoder: "./encoding.js",
  TextDecoder: "./encoding.js",
  Headers: "./headers.js",
  Request: "./request.js",
  Response: "./response.js",
  fetch: "./fetch.js",
  Blob: "./blob.js",
  File: "./blob.js",
  FormData: "./form-data.js",
  ReadableStream: "./streams.js",
  WritableStream: "./writable-streams.js",
  Event: "./events.js",
  EventTarget: "./events.js",
  AbortController: "./abort.js",
  AbortSignal: "./abort.js",
  DOMException: "./dom-exception.js",
  structuredClone: "./structured-clone.js",
  atob: "./base64.js",
  btoa: "./base64.js",
  crypto: "./crypto.js",
  performance: "./performance.js",
};

/** The value of the global called `name`. */
function load(name) {
  return require(FILES[name])[name];
}

module.exports = { __proto__: null, FILES, load };
