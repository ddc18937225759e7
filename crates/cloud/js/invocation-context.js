// `ctx`, the function's only argument. What costs something to make is made when it is first read.
//
// The accessors are the same for every `ctx`: an engine that gives objects of one shape one map would
// need a new map for each accessor of its own, and keep what that can reach until the map goes.

const { ReflectDefineProperty } = require("./primordials.js");
const { op, syncOf } = require("./call.js");
const { get } = require("./context.js");

const WHOLE = op("request.whole");
const HEADERS = op("request.headers");

const UNREAD = { __proto__: null };

/**
 * What is kept of the invocation in a slot. Every property is its own: what functions do to
 * `Object.prototype` is never seen.
 */
function createInvocation(id) {
  return { id, calls: undefined, timers: undefined, values: undefined };
}

/**
 * Keeps in a `ctx` whose it is, where functions do not see it. A `WeakMap` would do, but V8's
 * collections of young objects keep all that it holds.
 */
class Owned extends function (context) {
  return context;
} {
  #invocation;

  constructor(context, invocation) {
    super(context);
    this.#invocation = invocation;
  }

  /** Through a proxy, or what inherits from it, a `ctx` is that of the running invocation. */
  static owner(object) {
    return #invocation in object ? object.#invocation : get();
  }
}

/** A property of `ctx` that `read` gives the value of. */
function lazy(name, read) {
  return {
    __proto__: null,
    get() {
      const invocation = Owned.owner(this);
      const values = valuesOf(invocation);
      if (values[name] === UNREAD) values[name] = read(invocation);
      return values[name];
    },
    set(value) {
      valuesOf(Owned.owner(this))[name] = value;
    },
    enumerable: true,
    configurable: true,
  };
}

/** What is known of an invocation's `ctx`; most need none of it. */
function valuesOf(invocation) {
  return (invocation.values ??= { body: UNREAD, query: UNREAD, files: UNREAD, headers: UNREAD, cloud: UNREAD });
}

const headersProperty = lazy("headers", (invocation) => syncOf(HEADERS, invocation));
const cloudProperty = lazy("cloud", () => require("./cloud.js"));

/** What few functions need. */
let partial;

function createContext(invocation) {
  let context = syncOf(WHOLE, invocation);
  if (context === undefined) {
    partial ??= require("./partial-context.js").define(lazy);
    context = partial(invocation);
  } else {
    // JSON has no `undefined`.
    if (context.body === null) context.body = undefined;
    if (context.path === "") {
      // Another function calls.
      context.cloud = require("./cloud.js");
      return context;
    }
  }
  new Owned(context, invocation);
  ReflectDefineProperty(context, "headers", headersProperty);
  ReflectDefineProperty(context, "cloud", cloudProperty);
  return context;
}

module.exports = { __proto__: null, createContext, createInvocation };
