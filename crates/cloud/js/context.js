// Which invocation the running code belongs to, kept across awaits, timers and promises that
// several invocations share.
//
// An engine with continuation data of its own gives `host.continuation` and carries the value
// along by itself. For the others this file keeps it: the engine loads functions with
// `save` and `restore` around every await, and `then` binds its callbacks.

const { ObjectFreeze, PromisePrototypeThen, Promise, ReflectApply, ReflectDefineProperty } = require("./primordials.js");

/** The invocation of code that runs outside every one: nothing it does reaches anybody. */
const OUTSIDE = ObjectFreeze({ __proto__: null, id: 0, values: ObjectFreeze({ __proto__: null }) });

const { continuation, running } = host;
let current = OUTSIDE;

function track() {
  const save = () => current;

  function enter(invocation) {
    current = invocation;
    running[0] = invocation.id;
  }

  // A token is the invocation itself, which functions never hold otherwise: there is nothing to forge.
  function restore(token, value) {
    current = token;
    running[0] = token.id;
    return value;
  }

  const bind = (callback) => {
    if (typeof callback !== "function" || current === OUTSIDE) return callback;
    const bound = current;
    return (value) => {
      enter(bound);
      return callback(value);
    };
  };

  // Standard `then` in every other respect, `length` and `name` included.
  const { then } = {
    then(onFulfilled, onRejected) {
      return PromisePrototypeThen(this, bind(onFulfilled), bind(onRejected));
    },
  };
  ReflectDefineProperty(Promise.prototype, "then", { value: then, writable: true, enumerable: false, configurable: true });

  return { __proto__: null, get: save, enter, save, restore, isCarried: false };
}

function carried() {
  const get = () => continuation.get() ?? OUTSIDE;
  const enter = (invocation) => continuation.set(invocation);
  return { __proto__: null, get, enter, save: get, restore: (token, value) => value, isCarried: true };
}

/** Runs `callback` as `invocation` and comes back to the one that ran before. */
function runAs(invocation, callback, self, args) {
  const before = context.get();
  context.enter(invocation);
  try {
    return ReflectApply(callback, self, args);
  } finally {
    context.enter(before);
  }
}

const context = continuation === undefined ? track() : carried();
module.exports = { __proto__: null, ...context, OUTSIDE, runAs };
