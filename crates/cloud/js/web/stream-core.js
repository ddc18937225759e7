// The state of a readable stream and the steps that change it, apart from the classes that show
// it: nothing here is reachable by functions.
//
// A stream belongs to the invocation that made it: its source runs as that invocation, whoever reads.

const { ArrayPrototypePush, ArrayPrototypeShift, Promise, PromisePrototypeThen, RangeError, TypeError } = require("../primordials.js");
const context = require("../context.js");
const { ignoreRejection } = require("../call.js");

/** A promise with its two ends. */
function deferred() {
  const parts = { __proto__: null, promise: undefined, resolve: undefined, reject: undefined };
  parts.promise = new Promise((resolve, reject) => {
    parts.resolve = resolve;
    parts.reject = reject;
  });
  return parts;
}

/** Calls `step` and follows what it returns, thrown errors included. */
function follow(step, onDone, onError) {
  let result;
  try {
    result = step();
  } catch (error) {
    return onError(error);
  }
  PromisePrototypeThen(new Promise((resolve) => resolve(result)), onDone, onError);
}

const countOne = () => 1;

/**
 * A stream over `source`: `start`, `pull` and `cancel` take no `this`; `size` and
 * `highWaterMark` say how much is fetched ahead of readers.
 */
function createStream({ start, pull, cancel, size = countOne, highWaterMark = 1 }) {
  const stream = {
    __proto__: null,
    invocation: context.get(),
    state: "readable",
    error: undefined,
    disturbed: false,
    reader: undefined,
    queue: [],
    queued: 0,
    size,
    highWaterMark,
    pull,
    cancel,
    started: false,
    closing: false,
    pulling: false,
    pullAgain: false,
  };
  const begin = () => {
    stream.started = true;
    pullIfNeeded(stream);
  };
  if (start === undefined) {
    begin();
    return stream;
  }
  // An error of `start` itself is the constructor's.
  const started = context.runAs(stream.invocation, start, undefined, [stream]);
  follow(() => started, begin, (error) => fail(stream, error));
  return stream;
}

const isOpen = (stream) => stream.state === "readable" && !stream.closing;

/** How much the queue still takes; `null` once the stream failed. */
function desiredSize(stream) {
  if (stream.state === "errored") return null;
  return stream.state === "closed" ? 0 : stream.highWaterMark - stream.queued;
}

function pullIfNeeded(stream) {
  const { pull } = stream;
  if (pull === undefined || !stream.started || !isOpen(stream)) return;
  if (!(stream.reader !== undefined && stream.reader.requests.length > 0) && !(desiredSize(stream) > 0)) return;
  if (stream.pulling) {
    stream.pullAgain = true;
    return;
  }
  stream.pulling = true;
  follow(
    () => context.runAs(stream.invocation, pull, undefined, [stream]),
    () => {
      stream.pulling = false;
      if (!stream.pullAgain) return;
      stream.pullAgain = false;
      pullIfNeeded(stream);
    },
    (error) => fail(stream, error),
  );
}

function enqueue(stream, chunk) {
  if (!isOpen(stream)) throw new TypeError("The stream takes no more chunks: it is closed or failed");
  const { reader } = stream;
  if (reader !== undefined && reader.requests.length > 0) {
    ArrayPrototypeShift(reader.requests).chunk(chunk);
  } else {
    let size;
    try {
      size = stream.size(chunk);
      if (!(size >= 0 && size < Infinity)) throw new RangeError(`The size of a chunk must be a number, 0 or more: ${size}`);
    } catch (error) {
      fail(stream, error);
      throw error;
    }
    ArrayPrototypePush(stream.queue, { __proto__: null, chunk, size });
    stream.queued += size;
  }
  pullIfNeeded(stream);
}

/** No more chunks come; those queued can still be read. */
function close(stream) {
  if (!isOpen(stream)) throw new TypeError("The stream cannot be closed: it is closed or failed");
  stream.closing = true;
  if (stream.queue.length === 0) finish(stream);
}

function finish(stream) {
  stream.state = "closed";
  release(stream);
  const { reader } = stream;
  if (reader === undefined) return;
  const { requests } = reader;
  reader.requests = [];
  reader.closed.resolve(undefined);
  for (let index = 0; index < requests.length; index++) requests[index].close();
}

function fail(stream, error) {
  if (stream.state !== "readable") return;
  stream.state = "errored";
  stream.error = error;
  stream.queue = [];
  stream.queued = 0;
  release(stream);
  const { reader } = stream;
  if (reader === undefined) return;
  const { requests } = reader;
  reader.requests = [];
  ignoreRejection(reader.closed.promise);
  reader.closed.reject(error);
  for (let index = 0; index < requests.length; index++) requests[index].error(error);
}

/** A stream that is over must not keep its source alive. */
function release(stream) {
  stream.pull = undefined;
  stream.cancel = undefined;
}

/** Tells the source that nobody reads on; the promise settles with what it answers. */
function cancel(stream, reason) {
  stream.disturbed = true;
  if (stream.state === "errored") return rejected(stream.error);
  const done = deferred();
  if (stream.state === "closed") {
    done.resolve(undefined);
    return done.promise;
  }
  const source = stream.cancel;
  stream.queue = [];
  stream.queued = 0;
  finish(stream);
  follow(
    () => (source === undefined ? undefined : context.runAs(stream.invocation, source, undefined, [reason])),
    () => done.resolve(undefined),
    done.reject,
  );
  return done.promise;
}

function rejected(error) {
  return new Promise((resolve, reject) => reject(error));
}

/** A reader's state; the stream is locked to it. */
function acquire(stream) {
  if (stream.reader !== undefined) throw new TypeError("The stream is locked: it has a reader already");
  const reader = { __proto__: null, stream, requests: [], closed: deferred() };
  stream.reader = reader;
  if (stream.state === "closed") reader.closed.resolve(undefined);
  if (stream.state === "errored") {
    ignoreRejection(reader.closed.promise);
    reader.closed.reject(stream.error);
  }
  return reader;
}

/** Lets go of the stream; reads that wait are refused. */
function letGo(reader) {
  const { stream } = reader;
  if (stream === undefined) return;
  const error = new TypeError("The reader was released");
  const { requests } = reader;
  reader.requests = [];
  // A promise that has settled already stays as it is; otherwise it tells of the release.
  if (stream.state !== "readable") reader.closed = deferred();
  ignoreRejection(reader.closed.promise);
  reader.closed.reject(error);
  reader.stream = undefined;
  stream.reader = undefined;
  for (let index = 0; index < requests.length; index++) requests[index].error(error);
}

/** Reads a chunk; exactly one of the three functions of `request` is called. */
function read(reader, request) {
  const { stream } = reader;
  stream.disturbed = true;
  if (stream.state === "closed") return request.close();
  if (stream.state === "errored") return request.error(stream.error);
  if (stream.queue.length === 0) {
    ArrayPrototypePush(reader.requests, request);
    return pullIfNeeded(stream);
  }
  const { chunk, size } = ArrayPrototypeShift(stream.queue);
  stream.queued -= size;
  if (stream.closing && stream.queue.length === 0) finish(stream);
  else pullIfNeeded(stream);
  request.chunk(chunk);
}

/** A promise of the next chunk, `undefined` at the end: for the host's own scripts. */
function next(reader) {
  return new Promise((resolve, reject) => {
    const chunk = (chunk) => resolve({ __proto__: null, chunk });
    read(reader, { __proto__: null, chunk, close: () => resolve(undefined), error: reject });
  });
}

/** Two streams that both get every chunk. */
function tee(stream) {
  const reader = acquire(stream);
  const cancelled = deferred();
  const branches = [];
  const reasons = [undefined, undefined];
  const gone = [false, false];
  let reading = false;
  let again = false;

  function pull() {
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    read(reader, {
      __proto__: null,
      chunk(chunk) {
        reading = false;
        for (let index = 0; index < 2; index++) if (!gone[index] && isOpen(branches[index])) enqueue(branches[index], chunk);
        if (again) {
          again = false;
          pull();
        }
      },
      close() {
        reading = false;
        for (let index = 0; index < 2; index++) if (!gone[index] && isOpen(branches[index])) close(branches[index]);
        cancelled.resolve(undefined);
      },
      error(error) {
        reading = false;
        for (let index = 0; index < 2; index++) fail(branches[index], error);
        cancelled.resolve(undefined);
      },
    });
  }

  for (let index = 0; index < 2; index++) {
    branches[index] = createStream({
      // The other branch must exist before the first chunk comes.
      start: () => undefined,
      pull,
      cancel(reason) {
        gone[index] = true;
        reasons[index] = reason;
        if (gone[0] && gone[1]) cancelled.resolve(cancel(stream, reasons));
        return cancelled.promise;
      },
    });
  }
  return branches;
}

module.exports = {
  __proto__: null, acquire, cancel, close, createStream, deferred, desiredSize, enqueue, fail, follow, isOpen, letGo, next, read,
  rejected, tee,
};
