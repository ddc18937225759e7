// structuredClone, by https://html.spec.whatwg.org/multipage/structured-data.html#structuredserializeinternal.

const {
  ArrayBufferIsView, ArrayBufferPrototypeSlice, ArrayBufferPrototypeTransfer, ArrayPrototypePush, BigInt64Array, BigUint64Array,
  DataView, DataViewPrototypeGetBuffer, DataViewPrototypeGetByteLength, DataViewPrototypeGetByteOffset, Date, DatePrototypeGetTime,
  Error, EvalError, Float32Array, Float64Array, Int16Array, Int32Array, Int8Array, Map, MapPrototypeForEach, MapPrototypeGet,
  MapPrototypeSet, Object, ObjectKeys, RangeError, ReferenceError, ReflectDefineProperty, ReflectGetOwnPropertyDescriptor, RegExp,
  RegExpPrototypeGetFlags, RegExpPrototypeGetSource, Set, SetPrototypeAdd, SetPrototypeForEach, SyntaxError, TypeError,
  TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeGetLength,
  TypedArrayPrototypeGetSymbolToStringTag, URIError, Uint16Array, Uint32Array, Uint8Array, Uint8ClampedArray,
} = require("../primordials.js");
const { kindOf, unbox } = require("../kinds.js");
const { dictionary, need } = require("./class.js");
const { DOMException } = require("./dom-exception.js");

const VIEWS = {
  __proto__: null,
  BigInt64Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
  Int16Array,
  Int32Array,
  Int8Array,
  Uint16Array,
  Uint32Array,
  Uint8Array,
  Uint8ClampedArray,
};

const ERRORS = { __proto__: null, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

/** What holds state that cannot be written down. */
const UNCLONEABLE = {
  __proto__: null,
  AbortController: true,
  AbortSignal: true,
  AsyncGenerator: true,
  FinalizationRegistry: true,
  Generator: true,
  Headers: true,
  Promise: true,
  ReadableStream: true,
  Request: true,
  Response: true,
  Symbol: true,
  URL: true,
  URLSearchParams: true,
  WeakMap: true,
  WeakRef: true,
  WeakSet: true,
  WritableStream: true,
};

function refuse(what) {
  return new DOMException(`${what} could not be cloned`, "DataCloneError");
}

function define(target, key, value, enumerable) {
  ReflectDefineProperty(target, key, { __proto__: null, value, writable: true, enumerable, configurable: true });
}

/** The copy of `value`; `seen` maps each object met so far to its copy. */
function clone(value, seen) {
  if (typeof value === "symbol") throw refuse(`A symbol`);
  if (typeof value === "function") throw refuse(`A function`);
  if (typeof value !== "object" || value === null) return value;
  const known = MapPrototypeGet(seen, value);
  if (known !== undefined) return known;
  if (ArrayBufferIsView(value)) return cloneView(value, seen);
  const kind = kindOf(value);
  const copier = COPIERS[kind] ?? (value instanceof Error ? COPIERS.Error : undefined);
  if (copier !== undefined) return copier(value, seen, kind);
  if (UNCLONEABLE[kind]) throw refuse(`An object of the class ${kind}`);
  return cloneProperties(value, {}, seen);
}

function cloneProperties(source, target, seen) {
  MapPrototypeSet(seen, source, target);
  const keys = ObjectKeys(source);
  for (let index = 0; index < keys.length; index++) define(target, keys[index], clone(source[keys[index]], seen), true);
  return target;
}

function cloneView(view, seen) {
  const kind = TypedArrayPrototypeGetSymbolToStringTag(view);
  if (kind === undefined) {
    const buffer = clone(DataViewPrototypeGetBuffer(view), seen);
    return remember(seen, view, new DataView(buffer, DataViewPrototypeGetByteOffset(view), DataViewPrototypeGetByteLength(view)));
  }
  if (VIEWS[kind] === undefined) throw refuse(`A ${kind}`);
  const buffer = clone(TypedArrayPrototypeGetBuffer(view), seen);
  return remember(seen, view, new VIEWS[kind](buffer, TypedArrayPrototypeGetByteOffset(view), TypedArrayPrototypeGetLength(view)));
}

function remember(seen, value, copy) {
  MapPrototypeSet(seen, value, copy);
  return copy;
}

const cloneBox = (value, seen, kind) => remember(seen, value, Object(unbox(value, kind)));

const COPIERS = {
  __proto__: null,
  Array(value, seen) {
    const copy = [];
    copy.length = value.length;
    return cloneProperties(value, copy, seen);
  },
  Map(value, seen) {
    const copy = remember(seen, value, new Map());
    const entries = [];
    MapPrototypeForEach(value, (item, key) => ArrayPrototypePush(entries, [key, item]));
    for (let index = 0; index < entries.length; index++) {
      MapPrototypeSet(copy, clone(entries[index][0], seen), clone(entries[index][1], seen));
    }
    return copy;
  },
  Set(value, seen) {
    const copy = remember(seen, value, new Set());
    const items = [];
    SetPrototypeForEach(value, (item) => ArrayPrototypePush(items, item));
    for (let index = 0; index < items.length; index++) SetPrototypeAdd(copy, clone(items[index], seen));
    return copy;
  },
  Date: (value, seen) => remember(seen, value, new Date(DatePrototypeGetTime(value))),
  RegExp: (value, seen) => remember(seen, value, new RegExp(RegExpPrototypeGetSource(value), RegExpPrototypeGetFlags(value))),
  ArrayBuffer: (value, seen) => remember(seen, value, ArrayBufferPrototypeSlice(value, 0)),
  Boolean: cloneBox,
  Number: cloneBox,
  String: cloneBox,
  BigInt: cloneBox,
  Error(value, seen) {
    const constructor = ERRORS[value.name] ?? Error;
    const copy = remember(seen, value, new constructor());
    const message = ReflectGetOwnPropertyDescriptor(value, "message");
    if (message !== undefined && "value" in message) define(copy, "message", `${message.value}`, false);
    if (typeof value.stack === "string") define(copy, "stack", value.stack, false);
    const cause = ReflectGetOwnPropertyDescriptor(value, "cause");
    if (cause !== undefined && "value" in cause) define(copy, "cause", clone(cause.value, seen), false);
    return copy;
  },
};

function structuredClone(value, options = undefined) {
  need(1, arguments.length, "structuredClone");
  const { transfer } = dictionary(options, "structuredClone");
  const buffers = [];
  if (transfer !== undefined) for (const item of transfer) ArrayPrototypePush(buffers, item);
  const seen = new Map();
  for (let index = 0; index < buffers.length; index++) {
    const buffer = buffers[index];
    if (typeof buffer !== "object" || buffer === null || kindOf(buffer) !== "ArrayBuffer") {
      throw refuse("A transferred value that is not an ArrayBuffer");
    }
    if (MapPrototypeGet(seen, buffer) !== undefined) throw refuse("An ArrayBuffer that is transferred twice");
    // Copied first: what is transferred is only detached once everything else could be cloned.
    COPIERS.ArrayBuffer(buffer, seen);
  }
  const copy = clone(value, seen);
  for (let index = 0; index < buffers.length; index++) ArrayBufferPrototypeTransfer(buffers[index], 0);
  return copy;
}

module.exports = { __proto__: null, structuredClone };
