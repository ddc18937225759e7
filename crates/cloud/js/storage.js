// `cloud.storage`.

const {
  ArrayPrototypePush, Date, JSONParse, JSONStringify, ObjectFreeze, ReflectDefineProperty, ReflectSetPrototypeOf, String,
  SymbolAsyncIterator, SymbolIterator, SymbolSpecies, Uint8Array,
} = require("./primordials.js");
const { async, op } = require("./call.js");
const { toError } = require("./host-errors.js");
const context = require("./context.js");
const { bytesOf } = require("./web/bytes.js");
const { illegal, tag } = require("./web/class.js");
const { decode, encode } = require("./web/encoding.js");

const WRITE = op("storage.write");
const READ = op("storage.read");
const OPEN = op("storage.open");
const STAT = op("storage.stat");
const DELETE = op("storage.delete");
const COPY = op("storage.copy");
const LIST = op("storage.list");
const SIGN = op("storage.sign");

const invalid = (message) => toError(message, "INVALID_ARGUMENT");

function keyOf(key, what) {
  if (typeof key !== "string") throw invalid(`${what}: the key must be a string, not ${describe(key)}`);
  return key;
}

const describe = (value) => (value === null ? "null" : typeof value);

function optionsOf(options, what) {
  if (options === undefined || options === null) return { __proto__: null };
  if (typeof options !== "object") throw invalid(`${what}: the options must be an object, not ${describe(options)}`);
  return options;
}

/** Text is stored as UTF-8. */
function contentOf(data, what) {
  const bytes = typeof data === "string" ? encode(data) : bytesOf(data);
  if (bytes === undefined) throw invalid(`${what}: the content must be a string, a Uint8Array or an ArrayBuffer, not ${describe(data)}`);
  return bytes;
}

/** What `readFile` gives: bytes that can be read as text or JSON. */
class FileBytes extends Uint8Array {
  static get [SymbolSpecies]() {
    return Uint8Array;
  }

  text() {
    return decode(this);
  }

  json() {
    return JSONParse(decode(this));
  }
}
// Functions see bytes, not a class that they cannot name.
ReflectDefineProperty(FileBytes.prototype, "constructor", { value: Uint8Array, writable: true, enumerable: false, configurable: true });

function withDate(meta) {
  meta.lastModified = new Date(meta.lastModified);
  return meta;
}

function writeOptions(key, options, what) {
  const { contentType, metadata, ifNoneMatch, ifMatch } = optionsOf(options, what);
  return { __proto__: null, key: keyOf(key, what), contentType, metadata, ifNoneMatch, ifMatch };
}

const isSource = (value) =>
  typeof value === "object" && value !== null &&
  (typeof value[SymbolAsyncIterator] === "function" || typeof value[SymbolIterator] === "function");

/** The stream's chunks as bytes; a `Uint8Array` is one chunk, not numbers. */
function readerOf(source, what) {
  const { acquire, cancel, next } = require("./web/stream-core.js");
  const { isReadableStream } = require("./web/brands.js");
  const { coreOf, fromIterable } = require("./web/streams.js");
  const stream = isReadableStream(source) ? coreOf(source) : fromIterable(bytesOf(source) === undefined ? source : [source]);
  const reader = acquire(stream);
  return {
    __proto__: null,
    async read() {
      const item = await next(reader);
      return item === undefined ? undefined : contentOf(item.chunk, what);
    },
    cancel: (reason) => cancel(stream, reason),
  };
}

let makeBucket;

class Bucket {
  #name;

  static {
    makeBucket = (name) => new Bucket(illegal, name);
  }

  constructor(key, name) {
    if (key !== illegal) throw illegal("Bucket");
    this.#name = name;
  }

  async writeFile(key, data, options = undefined) {
    const what = "writeFile";
    const request = writeOptions(key, options, what);
    return withDate(await this.#call(WRITE, request, contentOf(data, what)));
  }

  async readFile(key) {
    const bytes = await this.#call(READ, { __proto__: null, key: keyOf(key, "readFile") });
    ReflectSetPrototypeOf(bytes, FileBytes.prototype);
    return bytes;
  }

  async deleteFile(key) {
    await this.#call(DELETE, { __proto__: null, keys: [keyOf(key, "deleteFile")] });
  }

  async deleteFiles(keys) {
    const list = [];
    for (const key of keys) ArrayPrototypePush(list, keyOf(key, "deleteFiles"));
    if (list.length > 0) await this.#call(DELETE, { __proto__: null, keys: list });
  }

  async exists(key) {
    return (await this.#call(STAT, { __proto__: null, key: keyOf(key, "exists"), optional: true })) !== undefined;
  }

  async stat(key) {
    return withDate(await this.#call(STAT, { __proto__: null, key: keyOf(key, "stat") }));
  }

  async copyFile(from, to) {
    await this.#call(COPY, { __proto__: null, from: keyOf(from, "copyFile"), to: keyOf(to, "copyFile") });
  }

  /**
   * All pages, or up to `limit` entries. What the delimiter folded is in the array's `prefixes`,
   * where the next listing starts in its `cursor`.
   */
  async listFiles(prefix = undefined) {
    const invocation = context.get();
    const request = listingOf(prefix);
    const files = [];
    const prefixes = [];
    for (;;) {
      const page = await this.#call(LIST, request);
      context.enter(invocation);
      for (let index = 0; index < page.files.length; index++) ArrayPrototypePush(files, withDate(page.files[index]));
      for (let index = 0; index < page.prefixes.length; index++) ArrayPrototypePush(prefixes, page.prefixes[index]);
      request.cursor = page.next;
      if (request.limit !== undefined) request.limit -= page.files.length + page.prefixes.length;
      if (page.next === undefined || !(request.limit === undefined || request.limit > 0)) break;
    }
    // Not enumerable: as JSON the result is the list alone.
    ReflectDefineProperty(files, "prefixes", { value: prefixes, writable: true, enumerable: false, configurable: true });
    ReflectDefineProperty(files, "cursor", { value: request.cursor, writable: true, enumerable: false, configurable: true });
    return files;
  }

  async getUploadUrl(key, expiresIn = 3600, options = undefined) {
    const { contentType } = optionsOf(options, "getUploadUrl");
    return this.#call(SIGN, { __proto__: null, key: keyOf(key, "getUploadUrl"), method: "put", expiresIn: expiry(expiresIn), contentType });
  }

  async getDownloadUrl(key, expiresIn = 3600) {
    return this.#call(SIGN, { __proto__: null, key: keyOf(key, "getDownloadUrl"), method: "get", expiresIn: expiry(expiresIn) });
  }

  async readStream(key, options = undefined) {
    const { start, end } = optionsOf(options, "readStream");
    const invocation = context.get();
    const request = { __proto__: null, key: keyOf(key, "readStream"), start: place(start, "start"), end: place(end, "end") };
    const { stream } = await this.#call(OPEN, request);
    context.enter(invocation);
    return require("./web/streams.js").wrap(require("./web/remote-streams.js").incoming(stream));
  }

  /** With a source: a promise of what was written. Without: a WritableStream, complete once it is closed. */
  writeStream(key, source = undefined, options = undefined) {
    return isSource(source) ? this.#writeFrom(key, source, options) : this.#writable(key, source);
  }

  async #writeFrom(key, source, options) {
    const what = "writeStream";
    const request = writeOptions(key, options, what);
    const reader = readerOf(source, what);
    const { outgoing, pump } = require("./web/remote-streams.js");
    const target = outgoing();
    request.stream = target.id;
    const written = this.#call(WRITE, request);
    require("./call.js").ignoreRejection(written);
    await pump(reader, target);
    return withDate(await written);
  }

  #writable(key, options) {
    const what = "writeStream";
    const request = writeOptions(key, options, what);
    const { createSink, wrapSink } = require("./web/writable-streams.js");
    const target = require("./web/remote-streams.js").outgoing();
    request.stream = target.id;
    const written = this.#call(WRITE, request);
    require("./call.js").ignoreRejection(written);
    return wrapSink(createSink({
      async write(chunk) {
        // Nobody takes it: the write has failed, and says why.
        if ((await target.write(contentOf(chunk, what))) === false) await written;
      },
      async close() {
        target.end();
        await written;
      },
      abort: () => target.abort(),
    }));
  }

  #call(operation, request, bytes) {
    request.bucket = this.#name;
    return async(operation, JSONStringify(request), bytes);
  }
}
tag(Bucket, "Bucket");

function listingOf(prefix) {
  if (prefix === undefined || prefix === null) return { __proto__: null, prefix: "" };
  if (typeof prefix === "string") return { __proto__: null, prefix };
  const { prefix: start = "", delimiter, limit, cursor } = optionsOf(prefix, "listFiles");
  if (typeof start !== "string") throw invalid(`listFiles: the prefix must be a string, not ${describe(start)}`);
  if (limit !== undefined && !(typeof limit === "number" && limit >= 1 && limit % 1 === 0)) {
    throw invalid(`listFiles: the limit must be a whole number, 1 or more: ${String(limit)}`);
  }
  return { __proto__: null, prefix: start, delimiter, limit, cursor };
}

/** Seconds; the host checks the range. */
function expiry(value) {
  if (typeof value !== "number" || value - value !== 0) throw invalid(`expiresIn must be a number of seconds: ${String(value)}`);
  return value;
}

function place(value, what) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !(value >= 0 && value % 1 === 0)) {
    throw invalid(`readStream: ${what} must be a whole number, 0 or more: ${String(value)}`);
  }
  return value;
}

const { bucket } = {
  bucket(name = undefined) {
    if (name !== undefined && typeof name !== "string") throw invalid(`bucket: the name must be a string, not ${describe(name)}`);
    return makeBucket(name);
  },
};

module.exports = { __proto__: null, storage: ObjectFreeze({ bucket }) };
