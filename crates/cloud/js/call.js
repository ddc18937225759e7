// The two primitives, as the rest of the host uses them: always on behalf of the running invocation.

const { Error, Promise, PromisePrototypeThen, RangeError, WeakMap, WeakMapPrototypeGet, WeakMapPrototypeSet } = require("./primordials.js");
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

/** Starts an asynchronous operation; one of the two callbacks gets what it answers. */
function begin(id, text, bytes, resolve, reject) {
  const invocation = context.get();
  wait(invocation, host.async(id, invocation.id, text, bytes), resolve, reject);
}

/**
 * The same with the JSON text of `value` for its bytes, by an engine that writes plain values itself;
 * `false`, and nothing is started, by one that does not or if it is not plain.
 */
function beginPlain(id, text, value, resolve, reject) {
  const invocation = context.get();
  const call = host.asyncPlain?.(id, invocation.id, text, value);
  if (call === undefined) return false;
  wait(invocation, call, resolve, reject);
  return true;
}

function wait(invocation, call, resolve, reject) {
  (invocation.calls ??= { __proto__: null })[call] = { resolve, reject };
}

/** Starts an asynchronous operation; what it answers comes through the promise. */
function async(id, text, bytes) {
  return new Promise((resolve, reject) => begin(id, text, bytes, resolve, reject));
}

/** Calls `callback` after `milliseconds`; returns what `cancel` takes. */
function schedule(milliseconds, callback) {
  const invocation = context.get();
  const call = host.sleep(invocation.id, milliseconds);
  wait(invocation, call, callback, callback);
  return call;
}

/** Forgets a call of `schedule`. */
function cancel(call) {
  const invocation = context.get();
  if (invocation.calls !== undefined && invocation.calls[call] !== undefined) {
    delete invocation.calls[call];
    host.cancel(invocation.id, call);
  }
}

/** Errors that the host made: their codes are its own word, whatever functions put on theirs. */
const hostErrors = new WeakMap();

/** What an operation's error looks like to a function. */
function toError(message, code) {
  const error = new Error(message);
  error.code = code;
  WeakMapPrototypeSet(hostErrors, error, code);
  return error;
}

/** The code that the host gave an error, whatever it says now; `undefined` for all others. */
function hostCode(error) {
  return WeakMapPrototypeGet(hostErrors, error);
}

/** Marks a rejection of `promise` as handled. */
function ignoreRejection(promise) {
  PromisePrototypeThen(promise, undefined, () => {});
}

module.exports = { __proto__: null, op, sync, syncOf, begin, beginPlain, async, schedule, cancel, toError, hostCode, ignoreRejection };
