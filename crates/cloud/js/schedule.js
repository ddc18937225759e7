// What waits for a time, on behalf of the running invocation.

const context = require("./context.js");

/** Calls `callback` after `milliseconds`; returns what `cancel` takes. */
function schedule(milliseconds, callback) {
  const invocation = context.get();
  const call = host.sleep(invocation.id, milliseconds);
  (invocation.calls ??= { __proto__: null })[call] = { resolve: callback, reject: callback };
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

module.exports = { __proto__: null, schedule, cancel };
