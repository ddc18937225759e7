// What the engine calls: start an invocation, settle what it waits for, forget it.

const {
  ArrayBufferIsView, ArrayBufferPrototypeGetByteLength, ArrayPrototype, JSONStringify, ObjectPrototype, Promise, PromisePrototypeThen,
  ReflectGetPrototypeOf, TypeError, Uint8Array,
  TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeGetSymbolToStringTag,
} = require("./primordials.js");
const context = require("./context.js");
const { sync, async, op, ignoreRejection } = require("./call.js");
const { createContext, createInvocation } = require("./invocation-context.js");
const modules = require("./modules.js");

/** What few invocations need: it loads with the first that fails. */
const failure = () => require("./failure.js");

/** How a reply is written; the engine has the same numbers. */
const JSON_VALUE = 0;
const BYTES = 1;
const RESPONSE = 2;
const STREAM = 3;

const WRITE = op("reply.write");
const LOG_ERROR = op("console.error");

const running = { __proto__: null };

/** Starts the invocation `id`; the engine runs the jobs that follow. */
function start(id) {
  const invocation = createInvocation(id);
  running[id] = invocation;
  context.enter(invocation);
  run(invocation);
}

async function run(invocation) {
  try {
    let main = modules.main();
    if (main === undefined) {
      await modules.load();
      context.enter(invocation);
      main = modules.main();
    }
    const value = await main(createContext(invocation));
    context.enter(invocation);
    reply(invocation, value);
  } catch (error) {
    context.enter(invocation);
    fail(invocation, error);
  }
}

function reply(invocation, value) {
  if (typeof value === "object" && value !== null) {
    const bytes = isCommon(value) ? undefined : bytesOf(value);
    if (bytes !== undefined) return finish(invocation, BYTES, undefined, bytes);
    const parts = modules.takeReply(value);
    if (parts !== undefined) return respond(invocation, parts);
    // An engine may write plain values itself.
    if (host.reply !== undefined && host.reply(invocation.id, value)) return void delete running[invocation.id];
  }
  let text;
  try {
    text = JSONStringify(value);
  } catch (error) {
    throw failure().explainUnserializable(value, error);
  }
  finish(invocation, JSON_VALUE, text ?? "null", undefined);
}

function finish({ id }, kind, text, bytes) {
  delete running[id];
  host.finish(id, kind, text, bytes);
}

/** Whether `value` is what most functions return: looking for bytes in it would cost an exception. */
function isCommon(value) {
  const prototype = ReflectGetPrototypeOf(value);
  return prototype === ObjectPrototype || prototype === ArrayPrototype;
}

/** The bytes of a `Uint8Array` or an `ArrayBuffer`. */
function bytesOf(value) {
  if (ArrayBufferIsView(value)) {
    if (TypedArrayPrototypeGetSymbolToStringTag(value) !== "Uint8Array") return undefined;
    return new Uint8Array(TypedArrayPrototypeGetBuffer(value), TypedArrayPrototypeGetByteOffset(value), TypedArrayPrototypeGetByteLength(value));
  }
  try {
    ArrayBufferPrototypeGetByteLength(value);
  } catch {
    return undefined;
  }
  return new Uint8Array(value);
}

async function respond(invocation, { status, headers, kind, body }) {
  const head = JSONStringify({ status, headers });
  if (kind !== "stream") return finish(invocation, RESPONSE, head, body);
  host.finish(invocation.id, STREAM, head, undefined);
  try {
    for (;;) {
      const chunk = await body.read();
      context.enter(invocation);
      if (chunk === undefined) break;
      await async(WRITE, undefined, chunk);
      context.enter(invocation);
    }
    end(invocation, undefined);
  } catch (error) {
    context.enter(invocation);
    const { message } = failure().describeError(error);
    try {
      ignoreRejection(body.cancel(error));
    } catch {
      // A stream that cannot be cancelled has nothing left to clean up.
    }
    end(invocation, message);
  }
}

function end({ id }, message) {
  delete running[id];
  host.end(id, message);
}

function fail(invocation, error) {
  const { kind, message, stack } = failure().describeError(error);
  delete running[invocation.id];
  host.fail(invocation.id, kind, message, stack);
}

/** Settles the call `call` of the invocation `id` with what the host answered. */
function settle(id, call, ok, value, code) {
  const invocation = running[id];
  const waiting = invocation?.calls?.[call];
  if (waiting === undefined) return;
  delete invocation.calls[call];
  context.enter(invocation);
  try {
    if (ok) waiting.resolve(value);
    else waiting.reject(require("./host-errors.js").toError(value, code));
  } catch (error) {
    // Only a timer's callback throws here.
    report(error);
  }
}

/** Drops what an invocation that is over still holds. */
function forget(id) {
  delete running[id];
}

/** Tells the invocation's log of an error that nobody caught. */
function report(error) {
  const { stack } = failure().describeError(error);
  sync(LOG_ERROR, `Uncaught ${host.original(stack)}`);
}

/** A promise of the invocation `id` was rejected and nothing handled it before the jobs ran out. */
function unhandled(id, reason) {
  const invocation = running[id];
  if (invocation === undefined) return;
  context.enter(invocation);
  const { stack } = failure().describeError(reason);
  sync(LOG_ERROR, `Uncaught (in promise) ${host.original(stack)}`);
}

module.exports = { __proto__: null, start, settle, forget, unhandled, queueMicrotask, namespaceOf: modules.namespaceOf };

/** `queueMicrotask` that keeps the invocation and reports what is thrown. */
function queueMicrotask(callback) {
  if (typeof callback !== "function") throw new TypeError("queueMicrotask takes a function");
  const invocation = context.get();
  PromisePrototypeThen(PROMISE, () => {
    context.enter(invocation);
    try {
      callback();
    } catch (error) {
      report(error);
    }
  });
}
const PROMISE = new Promise((resolve) => resolve());
