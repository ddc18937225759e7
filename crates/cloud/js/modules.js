// The function's module and those it imports, as far as scripts have to do with them: the engine
// links ES modules, CommonJS modules are run here.

const { ReflectApply, String, StringPrototypeSlice, StringPrototypeStartsWith } = require("./primordials.js");
const context = require("./context.js");

let entryPoint;
let loading;
let responses;

const commonJs = { __proto__: null };

/** The function to call, or `undefined` while its module is not loaded. */
function main() {
  return entryPoint;
}

/** Loads the program once; invocations that arrive meanwhile wait for the same promise. */
function load() {
  return (loading ??= loadProgram());
}

async function loadProgram() {
  const name = host.main();
  const exports = host.isCommonJs(name) ? requireCommonJs(name) : await host.import();
  const candidate = defaultOf(exports);
  if (typeof candidate !== "function") throw notAFunction();
  entryPoint = candidate;
}

function notAFunction() {
  return require("./host-errors.js").toError("The module has no default export that is a function", "NOT_A_FUNCTION");
}

/** What a module's users call its default: TypeScript's and Babel's interop included. */
function defaultOf(exports) {
  if (typeof exports === "function") return exports;
  if (exports === null || typeof exports !== "object") return undefined;
  const { default: value, main: named } = exports;
  if (typeof value === "function") return value;
  if (value !== null && typeof value === "object" && typeof value.default === "function") return value.default;
  return typeof named === "function" ? named : undefined;
}

/** What an engine that does not carry the context along puts around awaits. */
const CONTEXT = context.isCarried ? undefined : { __proto__: null, save: context.save, restore: context.restore };

/** Runs the CommonJS module `name` if it has not run, and returns its `module.exports`. */
function requireCommonJs(name) {
  const known = commonJs[name];
  if (known !== undefined) return known.exports;
  const module = (commonJs[name] = { exports: {} });
  const body = host.wrapper(name, CONTEXT);
  try {
    ReflectApply(body, module.exports, [module.exports, requireFrom, module]);
  } catch (error) {
    delete commonJs[name];
    throw error;
  }
  return module.exports;
}

/** `require` as CommonJS functions have it. */
function requireFrom(specifier) {
  if (specifier === "@tandem/cloud") return require("./cloud-module.js");
  if (typeof specifier === "string" && StringPrototypeStartsWith(specifier, "@/")) {
    const name = StringPrototypeSlice(specifier, 2);
    return host.isCommonJs(name) ? requireCommonJs(name) : host.requireModule(name);
  }
  return host.notFound(String(specifier));
}

/** What an ES module that imports `specifier` sees, where no ES module stands behind it. */
function namespaceOf(specifier) {
  if (specifier === "@tandem/cloud") return require("./cloud-module.js");
  // Only text that the engine has rewritten knows the rest of this name.
  if (StringPrototypeStartsWith(specifier, "@tandem/async-context/")) return CONTEXT;
  const exports = requireCommonJs(StringPrototypeSlice(specifier, 2));
  const properties = exports !== null && (typeof exports === "object" || typeof exports === "function") ? exports : {};
  return { ...properties, default: properties.__esModule === true && "default" in properties ? properties.default : exports };
}

/** The parts of a `Response`; `undefined` for every other value. */
function takeReply(value) {
  responses ??= require.isLoaded("response.js") ? require("./web/response.js") : undefined;
  return responses?.takeReply(value);
}

module.exports = { __proto__: null, main, load, namespaceOf, takeReply };
