// Text never becomes code in a function: what runs is what was published, on every engine.

const { AsyncFunction, AsyncGeneratorFunction, EvalError, Function, GeneratorFunction, ReflectDefineProperty, globalThis } = require("./primordials.js");

function refuse() {
  throw new EvalError("Code generation from strings is not allowed: publish it as a function and import it");
}

/** A constructor that refuses, and is still what `instanceof` and `.name` expect. */
function refusing(original) {
  const replacement = function () {
    refuse();
  };
  ReflectDefineProperty(replacement, "name", { value: original.name, configurable: true });
  ReflectDefineProperty(replacement, "prototype", { value: original.prototype, writable: false });
  ReflectDefineProperty(original.prototype, "constructor", { value: replacement, writable: true, enumerable: false, configurable: true });
  return replacement;
}

const function_ = refusing(Function);
refusing(AsyncFunction);
refusing(GeneratorFunction);
refusing(AsyncGeneratorFunction);
for (const [name, value] of [["Function", function_], ["eval", { eval: () => refuse() }.eval]]) {
  ReflectDefineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}
