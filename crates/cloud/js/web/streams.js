// ReadableStream with default readers, by https://streams.spec.whatwg.org/#rs-class.

const {
  AsyncIteratorPrototype, Promise, RangeError, ReflectApply, ReflectSetPrototypeOf, SymbolAsyncIterator, SymbolIterator,
  TypeError,
} = require("../primordials.js");
const { ignoreRejection } = require("../call.js");
const brands = require("./brands.js");
const { dictionary, illegal, iterableBy, tag } = require("./class.js");
const core = require("./stream-core.js");

/** The callback `name` of a user's object, bound to it. */
function callbackOf(holder, name) {
  const callback = holder[name];
  if (callback === undefined) return undefined;
  if (typeof callback !== "function") throw new TypeError(`ReadableStream: ${name} must be a function`);
  return (argument) => ReflectApply(callback, holder, [argument]);
}

function markOf(strategy, fallback) {
  const { highWaterMark } = strategy;
  if (highWaterMark === undefined) return fallback;
  const mark = +highWaterMark;
  if (!(mark >= 0)) throw new RangeError(`The high water mark must be a number, 0 or more: ${highWaterMark}`);
  return mark;
}

class ReadableStreamDefaultController {
  #stream;

  constructor(key, stream) {
    if (key !== illegal) throw illegal("ReadableStreamDefaultController");
    this.#stream = stream;
  }

  get desiredSize() {
    return core.desiredSize(this.#stream);
  }

  enqueue(chunk = undefined) {
    core.enqueue(this.#stream, chunk);
  }

  close() {
    core.close(this.#stream);
  }

  error(error = undefined) {
    core.fail(this.#stream, error);
  }
}
tag(ReadableStreamDefaultController, "ReadableStreamDefaultController");

let wrap;
let coreOf;

class ReadableStream {
  #stream;

  static {
    /** The public stream over an internal one. */
    wrap = (stream) => new ReadableStream(illegal, stream);
    coreOf = (stream) => stream.#stream;
    brands.isReadableStream = (value) => #stream in value;
  }

  constructor(source = undefined, strategy = undefined) {
    this.#stream = source === illegal ? strategy : fromSource(source, dictionary(strategy, "ReadableStream"));
  }

  /** A stream of what an async iterable or an iterable yields. */
  static from(iterable) {
    return wrap(fromIterable(iterable));
  }

  get locked() {
    return this.#stream.reader !== undefined;
  }

  cancel(reason = undefined) {
    if (!(#stream in this)) return core.rejected(new TypeError("ReadableStream.cancel: not a stream"));
    if (this.locked) return core.rejected(new TypeError("ReadableStream.cancel: the stream is locked to a reader"));
    return core.cancel(this.#stream, reason);
  }

  getReader(options = undefined) {
    const { mode } = dictionary(options, "ReadableStream.getReader");
    if (mode !== undefined) throw new TypeError(`ReadableStream.getReader: there are no readers of the mode ${mode}`);
    return new ReadableStreamDefaultReader(this);
  }

  tee() {
    const { 0: first, 1: second } = core.tee(this.#stream);
    return [wrap(first), wrap(second)];
  }

  pipeTo(destination, options = undefined) {
    const { pipe } = require("./writable-streams.js");
    return pipe(this, destination, dictionary(options, "ReadableStream.pipeTo"));
  }

  pipeThrough(transform, options = undefined) {
    const { readable, writable } = transform;
    ignoreRejection(this.pipeTo(writable, options));
    return readable;
  }

  values(options = undefined) {
    const { preventCancel } = dictionary(options, "ReadableStream.values");
    return new StreamIterator(illegal, core.acquire(this.#stream), !!preventCancel);
  }
}
tag(ReadableStream, "ReadableStream");
iterableBy(ReadableStream, "values", SymbolAsyncIterator);

function fromSource(given, strategy) {
  const source = given === undefined ? { __proto__: null } : given;
  if (typeof source !== "object" && typeof source !== "function") throw new TypeError("ReadableStream: the source must be an object");
  const { type } = source;
  if (type !== undefined && `${type}` !== "bytes") throw new TypeError(`ReadableStream: there are no streams of the type ${type}`);
  const { size } = strategy;
  const pull = callbackOf(source, "pull");
  const start = callbackOf(source, "start");
  let controller;
  return core.createStream({
    start(stream) {
      controller = new ReadableStreamDefaultController(illegal, stream);
      return start?.(controller);
    },
    pull: pull && (() => pull(controller)),
    cancel: callbackOf(source, "cancel"),
    size: size === undefined ? undefined : (chunk) => +ReflectApply(size, undefined, [chunk]),
    highWaterMark: markOf(strategy, type === undefined ? 1 : 0),
  });
}

/** The internal stream of what `iterable` yields; nothing is fetched ahead. */
function fromIterable(iterable) {
  if (iterable === null || iterable === undefined) throw new TypeError("ReadableStream.from: expected an async iterable or an iterable");
  const open = iterable[SymbolAsyncIterator] ?? iterable[SymbolIterator];
  if (typeof open !== "function") throw new TypeError("ReadableStream.from: expected an async iterable or an iterable");
  const iterator = ReflectApply(open, iterable, []);
  return core.createStream({
    async pull(stream) {
      const result = await iterator.next();
      if (typeof result !== "object" || result === null) throw new TypeError("An iterator's next() must give an object");
      if (result.done) return core.isOpen(stream) ? core.close(stream) : undefined;
      const chunk = await result.value;
      if (core.isOpen(stream)) core.enqueue(stream, chunk);
    },
    cancel: async (reason) => void (await iterator.return?.(reason)),
    highWaterMark: 0,
  });
}

class ReadableStreamDefaultReader {
  #reader;

  constructor(stream) {
    if (typeof stream !== "object" || stream === null || !brands.isReadableStream(stream)) {
      throw new TypeError("ReadableStreamDefaultReader: expected a ReadableStream");
    }
    this.#reader = core.acquire(coreOf(stream));
  }

  get closed() {
    return this.#reader.closed.promise;
  }

  read() {
    const reader = this.#reader;
    if (reader.stream === undefined) return core.rejected(new TypeError("The reader was released"));
    return readResult(reader);
  }

  cancel(reason = undefined) {
    const { stream } = this.#reader;
    return stream === undefined ? core.rejected(new TypeError("The reader was released")) : core.cancel(stream, reason);
  }

  releaseLock() {
    core.letGo(this.#reader);
  }
}
tag(ReadableStreamDefaultReader, "ReadableStreamDefaultReader");

function readResult(reader) {
  return new Promise((resolve, reject) => {
    core.read(reader, {
      __proto__: null,
      chunk: (value) => resolve({ value, done: false }),
      close: () => resolve({ value: undefined, done: true }),
      error: reject,
    });
  });
}

class StreamIterator {
  #reader;
  #preventCancel;

  constructor(key, reader, preventCancel) {
    if (key !== illegal) throw illegal("ReadableStream iterator");
    this.#reader = reader;
    this.#preventCancel = preventCancel;
  }

  async next() {
    const reader = this.#reader;
    if (reader.stream === undefined) return { value: undefined, done: true };
    let over = true;
    try {
      const result = await readResult(reader);
      over = result.done;
      return result;
    } finally {
      if (over) core.letGo(reader);
    }
  }

  async return(value = undefined) {
    const { stream } = this.#reader;
    if (stream === undefined) return { value, done: true };
    const cancelled = this.#preventCancel ? undefined : core.cancel(stream, value);
    core.letGo(this.#reader);
    await cancelled;
    return { value, done: true };
  }
}
ReflectSetPrototypeOf(StreamIterator.prototype, AsyncIteratorPrototype);
delete StreamIterator.prototype.constructor;

module.exports = { __proto__: null, ReadableStream, wrap, coreOf, fromIterable, markOf };
