// The intrinsics as they were before any function ran. Functions may replace what is on the
// global object or on a prototype; what runs on their behalf must not notice.
//
// Names follow one rule: `JSONParse` is `JSON.parse`, `MapPrototypeGet` is `Map.prototype.get`
// taking the map first, `MapPrototypeGetSize` is the getter of `size`, `SymbolIterator` is
// `Symbol.iterator`. `host.primordials` lists the names that the scripts ask for, so that an
// isolate holds no others.

const { getOwnPropertyDescriptor, getPrototypeOf } = Reflect;
const uncurryThis = Function.prototype.bind.bind(Function.prototype.call);
const lower = (text) => text[0].toLowerCase() + text.slice(1);

const GeneratorFunction = function* () {}.constructor;
const AsyncGeneratorFunction = async function* () {}.constructor;

/** What has no global name of its own. */
const unnamed = {
  __proto__: null,
  uncurryThis,
  TypedArray: getPrototypeOf(Uint8Array),
  AsyncFunction: async function () {}.constructor,
  GeneratorFunction,
  AsyncGeneratorFunction,
  IteratorPrototype: getPrototypeOf(GeneratorFunction.prototype.prototype),
  AsyncIteratorPrototype: getPrototypeOf(AsyncGeneratorFunction.prototype.prototype),
};

/** The key that a part of a primordial's name stands for. */
function keyOf(holder, part) {
  if (part in holder) return part;
  if (part.startsWith("Symbol") && lower(part.slice(6)) in Symbol) return Symbol[lower(part.slice(6))];
  return lower(part);
}

function ofPrototype(prototype, part) {
  const method = getOwnPropertyDescriptor(prototype, keyOf(prototype, part));
  if (typeof method?.value === "function") return uncurryThis(method.value);
  if (!part.startsWith("Get")) return undefined;
  const accessor = getOwnPropertyDescriptor(prototype, keyOf(prototype, part.slice(3)));
  return accessor?.get && uncurryThis(accessor.get);
}

function ofHolder(name, length) {
  const head = name.slice(0, length);
  const holder = unnamed[head] ?? globalThis[head];
  if (holder === undefined || holder === null) return undefined;
  const part = name.slice(length);
  if (part.startsWith("Prototype") && part.length > 9) return ofPrototype(holder.prototype, part.slice(9));
  const value = holder[keyOf(holder, part)];
  return typeof value === "function" ? value.bind(holder) : value;
}

function find(name) {
  const whole = unnamed[name] ?? globalThis[name];
  if (whole !== undefined) return whole;
  for (let length = name.length - 1; length > 2; length--) {
    const found = ofHolder(name, length);
    if (found !== undefined) return found;
  }
  throw new Error(`No intrinsic is called ${name}`);
}

/** Every intrinsic that scripts ask for. An engine that captures them itself makes each when it is asked for. */
function captured() {
  if (host.capture !== undefined) {
    host.capture(unnamed);
    return new Proxy({ __proto__: null }, { __proto__: null, get: (target, name) => host.intrinsic(name) });
  }
  const primordials = { __proto__: null };
  for (const name of host.primordials) primordials[name] = find(name);
  return primordials;
}

module.exports = captured();
