// What Request and Response have in common: their body.
//
// A body is `null` or a record: `source` (a string or bytes) until somebody asks for a stream,
// `stream` (a public ReadableStream) from then on, `used` once it was read.

const {
  ArrayPrototypePush, JSONParse, ReflectDefineProperty, RegExpPrototypeExec, StringPrototypeToLowerCase, SymbolAsyncIterator,
  TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeGetByteOffset,
} = require("../primordials.js");
const brands = require("./brands.js");
const { bytesOf, concat, copyOf } = require("./bytes.js");
const { scalarString } = require("./class.js");
const { decode, encode } = require("./encoding.js");

const FORM = "application/x-www-form-urlencoded";

function bodyOf(source) {
  return { __proto__: null, source, stream: undefined, used: false };
}

function streamBody(stream) {
  if (stream.locked) throw new TypeError("A stream that is locked to a reader cannot be a body");
  return { __proto__: null, source: undefined, stream, used: false };
}

/** The body and the content type that `init` stands for, by https://fetch.spec.whatwg.org/#concept-bodyinit-extract. */
function extract(init) {
  if (typeof init !== "object" || init === null) return { __proto__: null, body: bodyOf(scalarString(init)), type: "text/plain;charset=UTF-8" };
  const bytes = bytesOf(init);
  if (bytes !== undefined) return { __proto__: null, body: bodyOf(copyOf(bytes)), type: undefined };
  if (brands.isSearchParams(init)) return { __proto__: null, body: bodyOf(init.toString()), type: `${FORM};charset=UTF-8` };
  if (brands.isBlob(init)) {
    const { contentOf } = require("./blob.js");
    return { __proto__: null, body: bodyOf(contentOf(init)), type: init.type === "" ? undefined : init.type };
  }
  if (brands.isFormData(init)) {
    const { content, type } = require("./form-data.js").serialize(init);
    return { __proto__: null, body: bodyOf(content), type };
  }
  if (brands.isReadableStream(init)) return { __proto__: null, body: streamBody(init), type: undefined };
  // Node's extension: async generators stream without a ReadableStream around them.
  if (typeof init[SymbolAsyncIterator] === "function") {
    const { fromIterable, wrap } = require("./streams.js");
    return { __proto__: null, body: streamBody(wrap(fromIterable(init))), type: undefined };
  }
  return { __proto__: null, body: bodyOf(scalarString(init)), type: "text/plain;charset=UTF-8" };
}

/** Bodies and those of others are streams of bytes; text is taken as UTF-8. */
function chunkBytes(chunk) {
  const bytes = typeof chunk === "string" ? encode(chunk) : bytesOf(chunk);
  if (bytes === undefined) throw new TypeError("A body's stream must give Uint8Arrays or strings");
  return bytes;
}

function isUsed(body) {
  if (body === null) return false;
  return body.used || (body.stream !== undefined && require("./streams.js").coreOf(body.stream).disturbed);
}

/** The public stream of a body. */
function openStream(body) {
  if (body === null) return null;
  if (body.stream !== undefined) return body.stream;
  const { source } = body;
  const { createStream, close, enqueue } = require("./stream-core.js");
  const stream = createStream({
    pull(stream) {
      const bytes = typeof source === "string" ? encode(source) : source;
      if (TypedArrayPrototypeGetByteLength(bytes) > 0) enqueue(stream, bytes);
      close(stream);
    },
    highWaterMark: 0,
  });
  if (body.used) stream.disturbed = true;
  body.source = undefined;
  return (body.stream = require("./streams.js").wrap(stream));
}

/** A second body with the same content. */
function cloneBody(body, what) {
  if (body === null) return null;
  if (isUsed(body)) throw new TypeError(`${what}.clone: the body is used already`);
  if (body.stream === undefined) return bodyOf(body.source);
  const { 0: first, 1: second } = body.stream.tee();
  body.stream = first;
  return streamBody(second);
}

/** Takes the whole body: a string or bytes. */
async function take(body, what) {
  if (body === null) return "";
  if (isUsed(body) || body.stream?.locked) throw new TypeError(`${what}: the body is used already`);
  body.used = true;
  if (body.stream === undefined) return body.source;
  const { acquire, next } = require("./stream-core.js");
  const reader = acquire(require("./streams.js").coreOf(body.stream));
  const chunks = [];
  for (let item = await next(reader); item !== undefined; item = await next(reader)) ArrayPrototypePush(chunks, chunkBytes(item.chunk));
  return concat(chunks);
}

/** The body's source, or a reader of its stream with `read` and `cancel`; it is used then. */
function consume(body, what) {
  if (isUsed(body) || body.stream?.locked) throw new TypeError(`${what}: the body is used already`);
  body.used = true;
  if (body.stream === undefined) return body.source;
  const { acquire, cancel, next } = require("./stream-core.js");
  const stream = require("./streams.js").coreOf(body.stream);
  const reader = acquire(stream);
  return {
    __proto__: null,
    async read() {
      const item = await next(reader);
      return item === undefined ? undefined : chunkBytes(item.chunk);
    },
    cancel: (reason) => cancel(stream, reason),
  };
}

const textOf = (content) => (typeof content === "string" ? content : decode(content));

/** Bytes of the caller's own. */
const ownBytes = (content) => (typeof content === "string" ? encode(content) : copyOf(content));

function wholeBuffer(bytes) {
  const buffer = TypedArrayPrototypeGetBuffer(bytes);
  const whole = TypedArrayPrototypeGetByteOffset(bytes) === 0 && TypedArrayPrototypeGetByteLength(bytes) === buffer.byteLength;
  return whole ? buffer : TypedArrayPrototypeGetBuffer(copyOf(bytes));
}

function formOf(content, type, what) {
  const { fromPairs, parseMultipart } = require("./form-data.js");
  const essence = StringPrototypeToLowerCase(RegExpPrototypeExec(/^[^;\s]*/, type ?? "")[0]);
  if (essence === FORM) {
    const { URLSearchParams, listOf } = require("./search-params.js");
    return fromPairs(listOf(new URLSearchParams(textOf(content))));
  }
  if (essence === "multipart/form-data") return parseMultipart(typeof content === "string" ? encode(content) : content, type);
  throw new TypeError(`${what}: the content type is ${type === null ? "missing" : type}, not a form's`);
}

/**
 * Gives `prototype` the members of a body. `partsOf(object)` returns `{body, headers}` and throws
 * for what is not of the class.
 */
function defineBody(prototype, name, partsOf) {
  const readers = {
    async text() {
      return textOf(await take(partsOf(this).body, `${name}.text`));
    },
    async json() {
      return JSONParse(textOf(await take(partsOf(this).body, `${name}.json`)));
    },
    async bytes() {
      return ownBytes(await take(partsOf(this).body, `${name}.bytes`));
    },
    async arrayBuffer() {
      return wholeBuffer(ownBytes(await take(partsOf(this).body, `${name}.arrayBuffer`)));
    },
    async blob() {
      const { body, headers } = partsOf(this);
      const type = headers.get("content-type") ?? "";
      const { makeBlob } = require("./blob.js");
      return makeBlob(ownBytes(await take(body, `${name}.blob`)), type);
    },
    async formData() {
      const { body, headers } = partsOf(this);
      const type = headers.get("content-type");
      return formOf(await take(body, `${name}.formData`), type, `${name}.formData`);
    },
  };
  for (const method in readers) {
    ReflectDefineProperty(prototype, method, { value: readers[method], writable: true, enumerable: false, configurable: true });
  }
  ReflectDefineProperty(prototype, "body", { get() { return openStream(partsOf(this).body); }, enumerable: false, configurable: true });
  ReflectDefineProperty(prototype, "bodyUsed", { get() { return isUsed(partsOf(this).body); }, enumerable: false, configurable: true });
}

module.exports = { __proto__: null, bodyOf, chunkBytes, cloneBody, consume, defineBody, extract, openStream };
