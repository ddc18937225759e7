// The first script in an isolate. It gives the others `require`, prepares the global object and
// returns what the engine calls. A function can reach nothing of it.

const cache = { __proto__: null };

// Scripts are loaded while functions run, and a function may have replaced these methods.
const { call } = Function.prototype;
const slice = call.bind(String.prototype.slice);
const lastIndexOf = call.bind(String.prototype.lastIndexOf);

function require(name) {
  const id = slice(name, lastIndexOf(name, "/") + 1);
  const loaded = cache[id];
  if (loaded !== undefined) return loaded.exports;
  const module = (cache[id] = { __proto__: null, exports: {} });
  host.load(id)(module.exports, require, module, host);
  return module.exports;
}

/** Whether a script has run in this isolate. */
require.isLoaded = (id) => cache[id] !== undefined;

const { ReflectDefineProperty, globalThis } = require("./primordials.js");

function define(name, value) {
  ReflectDefineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

/** A global that costs nothing until it is touched. */
function defineLazy(name, load) {
  ReflectDefineProperty(globalThis, name, {
    get() {
      const value = load(name);
      define(name, value);
      return value;
    },
    set(value) {
      define(name, value);
    },
    enumerable: false,
    configurable: true,
  });
}

const { FILES, load } = require("./globals.js");
const names = Object.keys(FILES);
// An engine may have lazy globals that cost less.
if (host.defineLazy !== undefined) host.defineLazy(names, load);
else for (const name of names) defineLazy(name, load);

if (!host.isNeutral) require("./neutral.js");
require("./collation.js");
require("./differences.js");
require("./fixed-buffers.js");
require("./no-eval.js");

const entry = require("./entry.js");
module.exports = entry;
// For an engine that loads scripts ahead.
entry.require = require;
