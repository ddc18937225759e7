// What the classes of the Web APIs have in common.

const {
  IteratorPrototype, ReflectDefineProperty, ReflectSetPrototypeOf, String, StringPrototypeToWellFormed, SymbolIterator,
  SymbolToStringTag, TypeError,
} = require("../primordials.js");

/** Names a class for `Object.prototype.toString`. */
function tag(constructor, name) {
  ReflectDefineProperty(constructor.prototype, SymbolToStringTag, { value: name, writable: false, enumerable: false, configurable: true });
}

/** Makes instances iterable by the method called `method`, which is then the same function. */
function iterableBy(constructor, method, symbol = SymbolIterator) {
  const value = constructor.prototype[method];
  ReflectDefineProperty(constructor.prototype, symbol, { value, writable: true, enumerable: false, configurable: true });
}

/**
 * The error for classes that only the host makes. The function itself is the key that their
 * constructors ask for: nobody outside these files holds it.
 */
function illegal(name) {
  return new TypeError(`Illegal constructor: ${name}`);
}

/** Throws unless a call has as many arguments as it needs. */
function need(count, given, what) {
  if (given < count) throw new TypeError(`${what}: ${count} argument${count === 1 ? "" : "s"} required, but only ${given} present`);
}

/** A string without lone surrogates, as the standards call a `USVString`. */
function scalarString(value) {
  // A template refuses symbols, which `String()` would print.
  return StringPrototypeToWellFormed(`${value}`);
}

/** A dictionary argument: absent is empty, anything else but an object is refused. */
function dictionary(value, what) {
  if (value === undefined || value === null) return { __proto__: null };
  if (typeof value !== "object" && typeof value !== "function") throw new TypeError(`${what}: ${String(value)} is not an object`);
  return value;
}

/**
 * Makes the iterators of a class of pairs. What it returns takes a function that gives the
 * current array of `[name, value]`, so that changes made meanwhile show, and what to yield.
 */
function pairIterators(name) {
  class PairIterator {
    #pairs;
    #kind;
    #index = 0;

    constructor(pairs, kind) {
      this.#pairs = pairs;
      this.#kind = kind;
    }

    next() {
      const pairs = this.#pairs();
      if (this.#index >= pairs.length) return { value: undefined, done: true };
      const { 0: key, 1: value } = pairs[this.#index++];
      return { value: this.#kind === "keys" ? key : this.#kind === "values" ? value : [key, value], done: false };
    }
  }
  tag(PairIterator, `${name} Iterator`);
  delete PairIterator.prototype.constructor;
  ReflectSetPrototypeOf(PairIterator.prototype, IteratorPrototype);
  return (pairs, kind) => new PairIterator(pairs, kind);
}

module.exports = { __proto__: null, tag, iterableBy, illegal, need, scalarString, dictionary, pairIterators };
