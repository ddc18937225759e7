// The readable form of values that JSON cannot say. It always comes to an end and never throws.

const {
  ArrayBufferIsView, ArrayBufferPrototypeGetByteLength, ArrayPrototypePop, ArrayPrototypePush, DatePrototypeGetTime,
  DatePrototypeToISOString, Error, ErrorPrototypeToString, FunctionPrototypeToString, JSONStringify, MapPrototypeForEach,
  MapPrototypeGetSize, NumberParseFloat, NumberParseInt, ObjectKeys, ReflectGetOwnPropertyDescriptor, RegExpPrototypeToString,
  SetPrototypeForEach, SetPrototypeGetSize, String, StringPrototypeIndexOf, StringPrototypeSlice, StringPrototypeStartsWith,
  SymbolPrototypeToString, TypedArrayPrototypeGetLength, TypedArrayPrototypeGetSymbolToStringTag,
} = require("./primordials.js");
const { kindOf, unbox } = require("./kinds.js");

/** Levels shown of nested values. */
const DEEPEST = 20;
/** Characters of one value; the host cuts lines to their limit much earlier. */
const LONGEST = 1 << 20;
/** Elements shown of a typed array. */
const ELEMENTS = 100;
/** How many `toJSON` results are followed, one giving the next. */
const CONVERSIONS = 3;

/** The text of `value`; a string at the top stands bare. */
function inspect(value) {
  if (typeof value === "string") return value;
  const state = { __proto__: null, text: "", above: [], conversions: 0 };
  try {
    write(state, value, true);
  } catch {
    // Only the stack's end comes this far: what users throw is caught at the spot.
    state.text += "[Unprintable]";
  }
  return state.text;
}

const isFull = (state) => state.text.length > LONGEST;

function write(state, value, top) {
  switch (typeof value) {
    case "string":
      state.text += value.length > LONGEST ? JSONStringify(StringPrototypeSlice(value, 0, LONGEST)) : JSONStringify(value);
      return;
    case "number":
      state.text += value === 0 && 1 / value < 0 ? "-0" : `${value}`;
      return;
    case "bigint":
      state.text += `${value}n`;
      return;
    case "symbol":
      state.text += SymbolPrototypeToString(value);
      return;
    case "function":
      state.text += describeFunction(value);
      return;
    case "object":
      if (value !== null) return writeObject(state, value, top);
  }
  state.text += `${value}`;
}

function describeFunction(value) {
  const own = attempt(() => ReflectGetOwnPropertyDescriptor(value, "name")?.value);
  const name = typeof own === "string" ? own : "";
  const source = attempt(() => FunctionPrototypeToString(value));
  if (typeof source === "string" && StringPrototypeStartsWith(source, "class")) return `[class ${name || "(anonymous)"}]`;
  return `[Function: ${name || "(anonymous)"}]`;
}

function writeObject(state, object, top) {
  for (let index = 0; index < state.above.length; index++) {
    if (state.above[index] === object) return void (state.text += "[Circular]");
  }
  if (state.above.length >= DEEPEST) return void (state.text += "[Object]");
  ArrayPrototypePush(state.above, object);
  try {
    writeKind(state, object, top);
  } finally {
    ArrayPrototypePop(state.above);
  }
}

function writeKind(state, object, top) {
  if (ArrayBufferIsView(object)) return writeView(state, object);
  const kind = kindOf(object);
  if (kind === "Error" || isError(object)) return writeError(state, object, top);
  const writer = WRITERS[kind];
  if (writer !== undefined) return writer(state, object, top, kind);
  if (writeConverted(state, object)) return;
  writeProperties(state, object);
}

const isError = (object) => attempt(() => object instanceof Error) === true;

/** Runs code of the function's own; what it throws becomes undefined. */
function attempt(read) {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Writes the value that `read` gives, or that it threw. */
function writeRead(state, read) {
  let value;
  try {
    value = read();
  } catch (error) {
    state.text += `[Threw: ${attempt(() => `${error.message}`) ?? attempt(() => String(error)) ?? "an unprintable value"}]`;
    return;
  }
  write(state, value, false);
}

/** Objects that say how they are written as JSON are taken at their word. */
function writeConverted(state, object) {
  const convert = attempt(() => object.toJSON);
  if (typeof convert !== "function") return false;
  if (state.conversions >= CONVERSIONS) return false;
  state.conversions++;
  writeRead(state, () => {
    const value = object.toJSON("");
    return value === object ? undefined : value;
  });
  state.conversions--;
  return true;
}

function writeProperties(state, object) {
  const keys = attempt(() => ObjectKeys(object));
  if (keys === undefined) return void (state.text += "[Object]");
  state.text += "{";
  for (let index = 0; index < keys.length; index++) {
    if (index > 0) state.text += ",";
    if (isFull(state)) return void (state.text += `… ${keys.length - index} more}`);
    state.text += `${JSONStringify(keys[index])}:`;
    writeRead(state, () => object[keys[index]]);
  }
  state.text += "}";
}

/** Writes `count` items between brackets; `item` writes one. */
function writeList(state, open, close, separator, count, shown, item) {
  state.text += open;
  for (let index = 0; index < count; index++) {
    if (index > 0) state.text += separator;
    if (index >= shown || isFull(state)) return void (state.text += `… ${count - index} more${close}`);
    item(index);
  }
  state.text += close;
}

function writeView(state, view) {
  const kind = TypedArrayPrototypeGetSymbolToStringTag(view);
  if (kind === undefined) return void (state.text += "[DataView]");
  const length = TypedArrayPrototypeGetLength(view);
  state.text += `${kind}(${length}) `;
  writeList(state, "[", "]", ",", length, ELEMENTS, (index) => write(state, view[index], false));
}

/** `Name: message`, as a string where it is a part of something, with its cause. */
function writeError(state, error, top) {
  const head = attempt(() => ErrorPrototypeToString(error)) ?? "Error";
  const cause = attempt(() => ReflectGetOwnPropertyDescriptor(error, "cause"));
  const errors = attempt(() => ReflectGetOwnPropertyDescriptor(error, "errors")?.value);
  const extended = cause !== undefined || errors !== undefined;
  state.text += top || extended ? head : JSONStringify(head);
  if (errors !== undefined) writePart(state, "errors", errors);
  if (cause !== undefined && "value" in cause) writePart(state, "cause", cause.value);
}

function writePart(state, name, value) {
  state.text += ` [${name}: `;
  write(state, value, typeof value === "object" && value !== null && isError(value));
  state.text += "]";
}

function writeBox(state, object, top, kind) {
  state.text += `[${kind}: `;
  write(state, unbox(object, kind), false);
  state.text += "]";
}

const writeName = (state, object, top, kind) => (state.text += `[${kind}]`);

const WRITERS = {
  __proto__: null,
  Array(state, array) {
    const length = attempt(() => array.length) ?? 0;
    writeList(state, "[", "]", ",", length, length, (index) => writeRead(state, () => array[index]));
  },
  Map(state, map) {
    const keys = [];
    const values = [];
    MapPrototypeForEach(map, (value, key) => {
      ArrayPrototypePush(keys, key);
      ArrayPrototypePush(values, value);
    });
    writeList(state, `Map(${MapPrototypeGetSize(map)}) {`, "}", ", ", keys.length, keys.length, (index) => {
      write(state, keys[index], false);
      state.text += " => ";
      write(state, values[index], false);
    });
  },
  Set(state, set) {
    const values = [];
    SetPrototypeForEach(set, (value) => ArrayPrototypePush(values, value));
    const { length } = values;
    writeList(state, `Set(${SetPrototypeGetSize(set)}) {`, "}", ", ", length, length, (index) => write(state, values[index], false));
  },
  Date(state, date, top) {
    const time = DatePrototypeGetTime(date);
    if (time !== time) return void (state.text += "Invalid Date");
    const text = DatePrototypeToISOString(date);
    state.text += top ? text : `"${text}"`;
  },
  RegExp(state, regExp) {
    state.text += attempt(() => RegExpPrototypeToString(regExp)) ?? "[RegExp]";
  },
  ArrayBuffer(state, buffer) {
    state.text += `ArrayBuffer(${ArrayBufferPrototypeGetByteLength(buffer)})`;
  },
  Boolean: writeBox,
  Number: writeBox,
  String: writeBox,
  BigInt: writeBox,
  Symbol: writeBox,
  Promise: writeName,
  WeakMap: writeName,
  WeakSet: writeName,
  WeakRef: writeName,
  Generator: writeName,
  AsyncGenerator: writeName,
};

/**
 * Fills the placeholders of the first argument, by https://console.spec.whatwg.org/#formatter.
 * `next` is the first argument that no placeholder took.
 */
function substitute(args) {
  const pattern = args[0];
  let line = "";
  let next = 1;
  let start = 0;
  for (;;) {
    const index = StringPrototypeIndexOf(pattern, "%", start);
    if (index < 0 || index === pattern.length - 1) break;
    const letter = pattern[index + 1];
    const known = letter === "%" ? args.length > 1 : PLACEHOLDERS[letter] !== undefined && next < args.length;
    line += StringPrototypeSlice(pattern, start, known ? index : index + 1);
    start = known ? index + 2 : index + 1;
    if (!known) continue;
    line += letter === "%" ? "%" : PLACEHOLDERS[letter](args[next++]);
  }
  return { __proto__: null, line: line + StringPrototypeSlice(pattern, start), next };
}

const isNumeric = (value) => typeof value !== "symbol" && typeof value !== "object" && typeof value !== "function";

const PLACEHOLDERS = {
  __proto__: null,
  s: (value) => inspect(value),
  d: (value) => (typeof value === "bigint" ? `${value}n` : isNumeric(value) ? inspect(+value) : "NaN"),
  i: (value) => (typeof value === "bigint" ? `${value}n` : isNumeric(value) ? inspect(NumberParseInt(value, 10)) : "NaN"),
  f: (value) => (isNumeric(value) ? inspect(NumberParseFloat(value)) : "NaN"),
  j: (value) => attempt(() => JSONStringify(value)) ?? inspect(value),
  o: (value) => inspect(value),
  O: (value) => inspect(value),
  // Style sheets are for browsers.
  c: () => "",
};

module.exports = { __proto__: null, inspect, substitute };
