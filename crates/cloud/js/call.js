// The two primitives, as the rest of the host uses them: always on behalf of the running invocation.

const { Promise, PromisePrototypeThen, RangeError } = require("./primordials.js");
const context = require("./context.js");

const ids = { __proto__: null };
// An engine that finds operations by name has no list of them.
if (host.op === undefined) for (let id = 0; id < host.ops.length; id++) ids[host.ops[id]] = id;

/** The id of the operation called `name`. */
function op(name) {
  const id = host.op === undefined ? ids[name] : host.op(name);
  if (id === undefined) throw new RangeError(`No operation is called ${name}`);
  return id;
}

/** Runs a synchronous operation. */
function sync(id, text, bytes) {
  return host.sync(id, context.get().id, text, bytes);
}

/** Runs a synchronous operation of an invocation, whichever runs now. */
function syncOf(id, invocation, text) {
  return host.sync(id, invocation.id, text);
}

/**
 * Starts an asynchronous operation; one of the two callbacks gets what it answers. Some engines have
 * more for `start`, which write values themselves: with `host.asyncPlain` `bytes` is a value whose JSON text
 * is meant, with `host.asyncParts` it is the parts that follow the head `text`. `false`, and nothing is
 * started, if they are not plain.
 */
function begin(id, text, bytes, resolve, reject, start = host.async) {
  const invocation = context.get();
  const call = start(id, invocation.id, text, bytes);
  if (call === undefined) return false;
  (invocation.calls ??= { __proto__: null })[call] = { resolve, reject };
  return true;
}

/** Starts an asynchronous operation; what it answers comes through the promise. */
function async(id, text, bytes) {
  return new Promise((resolve, reject) => begin(id, text, bytes, resolve, reject));
}

/** Marks a rejection of `promise` as handled. */
function ignoreRejection(promise) {
  PromisePrototypeThen(promise, undefined, () => {});
}

module.exports = { __proto__: null, op, sync, syncOf, begin, async, ignoreRejection };
