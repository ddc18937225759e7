// WritableStream with default writers, by https://streams.spec.whatwg.org/#ws-class, and piping.

const { ArrayPrototypePush, ArrayPrototypeShift, RangeError, ReflectApply, TypeError } = require("../primordials.js");
const context = require("../context.js");
const { ignoreRejection } = require("../call.js");
const { dictionary, illegal, tag } = require("./class.js");
const core = require("./stream-core.js");
const { coreOf, markOf } = require("./streams.js");

function callbackOf(holder, name) {
  const callback = holder[name];
  if (callback === undefined) return undefined;
  if (typeof callback !== "function") throw new TypeError(`WritableStream: ${name} must be a function`);
  return (first, second) => ReflectApply(callback, holder, [first, second]);
}

/**
 * The state of a writable stream: `writable`, then `closing` and `closed`, or `errored`. Writes
 * run one after the other; `close` is the last of them.
 */
function createSink({ start, write, close, abort, size = () => 1, highWaterMark = 1 }) {
  const sink = {
    __proto__: null,
    invocation: context.get(),
    state: "writable",
    error: undefined,
    jobs: [],
    queued: 0,
    busy: true,
    size,
    highWaterMark,
    write,
    close,
    abort,
    writer: undefined,
    ready: core.deferred(),
    isReady: false,
    closed: core.deferred(),
  };
  ignoreRejection(sink.closed.promise);
  const started = start === undefined ? undefined : context.runAs(sink.invocation, start, undefined, [sink]);
  const go = () => {
    sink.busy = false;
    advance(sink);
  };
  updateReady(sink);
  core.follow(() => started, go, (error) => failSink(sink, error));
  return sink;
}

const room = (sink) => sink.highWaterMark - sink.queued;

/** `ready` is settled while there is room. */
function updateReady(sink) {
  const settled = sink.state !== "writable" || room(sink) > 0;
  if (settled === sink.isReady) return;
  sink.isReady = settled;
  if (settled) sink.ready.resolve(undefined);
  else sink.ready = core.deferred();
}

function advance(sink) {
  if (sink.busy || sink.jobs.length === 0) return;
  const job = ArrayPrototypeShift(sink.jobs);
  sink.busy = true;
  core.follow(
    () => context.runAs(sink.invocation, job.run, undefined, []),
    () => {
      sink.busy = false;
      sink.queued -= job.size;
      if (job.last) finishSink(sink);
      job.done.resolve(undefined);
      updateReady(sink);
      advance(sink);
    },
    (error) => {
      job.done.reject(error);
      failSink(sink, error);
    },
  );
}

function push(sink, run, size, last) {
  const done = core.deferred();
  ArrayPrototypePush(sink.jobs, { __proto__: null, run, size, last, done });
  sink.queued += size;
  updateReady(sink);
  advance(sink);
  return done.promise;
}

function writeChunk(sink, chunk) {
  if (sink.state === "errored") return core.rejected(sink.error);
  if (sink.state !== "writable") return core.rejected(new TypeError("The stream takes no more chunks: it is closed"));
  let size;
  try {
    size = sink.size(chunk);
  } catch (error) {
    failSink(sink, error);
    return core.rejected(error);
  }
  return push(sink, () => sink.write?.(chunk), size, false);
}

function closeSink(sink) {
  if (sink.state === "errored") return core.rejected(sink.error);
  if (sink.state !== "writable") return core.rejected(new TypeError("The stream is closed already"));
  sink.state = "closing";
  return push(sink, () => sink.close?.(), 0, true);
}

function finishSink(sink) {
  sink.state = "closed";
  sink.closed.resolve(undefined);
}

function failSink(sink, error) {
  if (sink.state === "errored" || sink.state === "closed") return;
  sink.state = "errored";
  sink.error = error;
  const { jobs } = sink;
  sink.jobs = [];
  for (let index = 0; index < jobs.length; index++) jobs[index].done.reject(error);
  if (sink.isReady) sink.ready = core.deferred();
  sink.isReady = true;
  ignoreRejection(sink.ready.promise);
  sink.ready.reject(error);
  sink.closed.reject(error);
}

function abortSink(sink, reason) {
  const done = core.deferred();
  if (sink.state === "errored" || sink.state === "closed") {
    done.resolve(undefined);
    return done.promise;
  }
  failSink(sink, reason);
  const { abort } = sink;
  const stop = () => (abort === undefined ? undefined : context.runAs(sink.invocation, abort, undefined, [reason]));
  core.follow(stop, () => done.resolve(undefined), done.reject);
  return done.promise;
}

class WritableStreamDefaultController {
  #sink;

  constructor(key, sink) {
    if (key !== illegal) throw illegal("WritableStreamDefaultController");
    this.#sink = sink;
  }

  error(error = undefined) {
    failSink(this.#sink, error);
  }
}
tag(WritableStreamDefaultController, "WritableStreamDefaultController");

let sinkOf;
let wrapSink;
let isWritable;

class WritableStream {
  #sink;

  static {
    sinkOf = (stream) => stream.#sink;
    wrapSink = (sink) => new WritableStream(illegal, sink);
    isWritable = (value) => typeof value === "object" && value !== null && #sink in value;
  }

  constructor(given = undefined, strategy = undefined) {
    this.#sink = given === illegal ? strategy : fromGiven(given, dictionary(strategy, "WritableStream"));
  }

  get locked() {
    return this.#sink.writer !== undefined;
  }

  getWriter() {
    return new WritableStreamDefaultWriter(this);
  }

  async abort(reason = undefined) {
    if (this.locked) throw new TypeError("WritableStream.abort: the stream is locked to a writer");
    await abortSink(this.#sink, reason);
  }

  async close() {
    if (this.locked) throw new TypeError("WritableStream.close: the stream is locked to a writer");
    await closeSink(this.#sink);
  }
}
tag(WritableStream, "WritableStream");

function fromGiven(given, strategy) {
  const holder = dictionary(given, "WritableStream");
  if (holder.type !== undefined) throw new RangeError(`WritableStream: there are no streams of the type ${holder.type}`);
  const { size } = strategy;
  const start = callbackOf(holder, "start");
  const write = callbackOf(holder, "write");
  let controller;
  return createSink({
    start(sink) {
      controller = new WritableStreamDefaultController(illegal, sink);
      return start?.(controller);
    },
    write: write && ((chunk) => write(chunk, controller)),
    close: callbackOf(holder, "close"),
    abort: callbackOf(holder, "abort"),
    size: size === undefined ? undefined : (chunk) => +ReflectApply(size, undefined, [chunk]),
    highWaterMark: markOf(strategy, 1),
  });
}

class WritableStreamDefaultWriter {
  #sink;

  constructor(stream) {
    if (!isWritable(stream)) throw new TypeError("WritableStreamDefaultWriter: expected a WritableStream");
    const sink = sinkOf(stream);
    if (sink.writer !== undefined) throw new TypeError("The stream is locked: it has a writer already");
    this.#sink = sink;
    sink.writer = this;
  }

  get #held() {
    if (this.#sink.writer !== this) throw new TypeError("The writer was released");
    return this.#sink;
  }

  get closed() {
    return this.#sink.closed.promise;
  }

  get ready() {
    return this.#sink.ready.promise;
  }

  get desiredSize() {
    const sink = this.#held;
    return sink.state === "errored" ? null : sink.state === "closed" ? 0 : room(sink);
  }

  async write(chunk = undefined) {
    await writeChunk(this.#held, chunk);
  }

  async close() {
    await closeSink(this.#held);
  }

  async abort(reason = undefined) {
    await abortSink(this.#held, reason);
  }

  releaseLock() {
    if (this.#sink.writer === this) this.#sink.writer = undefined;
  }
}
tag(WritableStreamDefaultWriter, "WritableStreamDefaultWriter");

/** Moves every chunk of a readable stream into a writable one, as fast as that takes them. */
async function pipe(readable, writable, { preventClose, preventAbort, preventCancel, signal }) {
  if (!isWritable(writable)) throw new TypeError("ReadableStream.pipeTo: expected a WritableStream");
  const sink = sinkOf(writable);
  if (sink.writer !== undefined) throw new TypeError("ReadableStream.pipeTo: the destination is locked to a writer");
  const reader = core.acquire(coreOf(readable));
  sink.writer = illegal;
  const forget = signal === undefined ? undefined : stopOn(signal, reader, sink, { preventAbort, preventCancel });
  try {
    for (;;) {
      await sink.ready.promise;
      if (sink.state === "errored") throw sink.error;
      const item = await core.next(reader);
      if (item === undefined) break;
      ignoreRejection(writeChunk(sink, item.chunk));
    }
    if (!preventClose && sink.state === "writable") await closeSink(sink);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (sink.state === "errored") {
      if (!preventCancel) ignoreRejection(core.cancel(reader.stream, sink.error));
      throw sink.error;
    }
    if (!preventAbort) await abortSink(sink, error);
    throw error;
  } finally {
    forget?.();
    core.letGo(reader);
    sink.writer = undefined;
  }
}

function stopOn(signal, reader, sink, { preventAbort, preventCancel }) {
  const { whenAborted } = require("./abort.js");
  const stop = (reason) => {
    if (!preventAbort) ignoreRejection(abortSink(sink, reason));
    if (preventCancel) core.letGo(reader);
    else ignoreRejection(core.cancel(reader.stream, reason));
  };
  if (signal.aborted) stop(signal.reason);
  return whenAborted(signal, stop);
}

module.exports = { __proto__: null, WritableStream, createSink, wrapSink, pipe };
