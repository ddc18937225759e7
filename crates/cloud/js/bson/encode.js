// Values to the text that `src/values/read.rs` reads. What is already plain is not copied.

const {
  Array, ArrayIsArray, ArrayPrototypePush, BooleanPrototypeValueOf, DatePrototypeGetTime, JSONStringify, MapPrototypeForEach,
  NumberPrototypeValueOf, Object, ObjectKeys, ReflectGetPrototypeOf, ReflectSetPrototypeOf, RegExpPrototypeGetFlags,
  RegExpPrototypeGetSource, StringPrototypeIncludes, StringPrototypeValueOf, TypedArrayPrototypeGetByteLength,
} = require("../primordials.js");
const { kindOf } = require("../kinds.js");
const { bytesOf, concat } = require("../web/bytes.js");
const { ENCODE, TAG, tagged } = require("./tags.js");

/** MongoDB's limit for a document, and the levels of the request around it. */
const DEEPEST = 104;

/** The head of a request that begins with its parts. */
const NO_HEAD = "{";

/** Thrown where a value cannot be encoded; the message is then found in a second pass. */
const REFUSED = { __proto__: null };

/** Kinds of objects that hold something which no document can. The others are read field by field. */
const UNREADABLE = { __proto__: null, Promise: true, Set: true, Symbol: true, WeakMap: true, WeakRef: true, WeakSet: true };

/** JavaScript's flags that documents know. */
const FLAGS = ["i", "m", "s", "u"];

const ArrayPrototype = Array.prototype;
const ObjectPrototype = Object.prototype;

/** The encoding under way: there is one at a time, because nothing in it waits. */
let copyAll = false;
let chunks;
let length = 0;

/**
 * The text of a request and the bytes that it refers to. `head` is the text of its first fields, without the
 * brace at the end; `parts` are the others, names and values in turn, of which `undefined` is left out.
 */
function encode(head, parts) {
  // JSON.stringify would call what a function put there.
  copyAll = ObjectPrototype.toJSON !== undefined || ArrayPrototype.toJSON !== undefined;
  chunks = undefined;
  length = 0;
  try {
    let text = head;
    for (let index = 0; index < parts.length; index += 2) {
      const value = parts[index + 1];
      if (value === undefined) continue;
      const comma = text === NO_HEAD ? "" : ",";
      text += `${comma}"${parts[index]}":${JSONStringify(encodeValue(value, 1))}`;
    }
    return { text: `${text}}`, bytes: chunks === undefined ? undefined : concat(chunks) };
  } finally {
    chunks = undefined;
  }
}

function encodeValue(value, depth) {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return value - value === 0 && (value !== 0 || 1 / value > 0) ? value : require("./numbers.js").encodeDouble(value);
    case "object":
      return value === null ? null : encodeObject(value, depth);
    case "undefined":
      return null;
    case "bigint":
      return encodeBigInt(value);
    default:
      throw REFUSED;
  }
}

function encodeBigInt(value) {
  if (value < -0x8000000000000000n || value > 0x7fffffffffffffffn) throw REFUSED;
  return tagged("long", `${value}`);
}

function encodeObject(value, depth) {
  if (depth > DEEPEST) throw REFUSED;
  const prototype = ReflectGetPrototypeOf(value);
  if (prototype === ObjectPrototype || prototype === null) return encodeFields(value, depth, copyAll);
  if (ArrayIsArray(value)) return encodeArray(value, depth, copyAll || prototype !== ArrayPrototype);
  const own = value[ENCODE];
  if (own !== undefined) return value[ENCODE](addBytes, (inner) => encodeValue(inner, depth + 1));
  return encodeBuiltIn(value, depth);
}

function encodeFields(value, depth, mustCopy) {
  const keys = ObjectKeys(value);
  if (keys.length > 0 && keys[0] === TAG) throw REFUSED;
  let copy = mustCopy ? { __proto__: null } : undefined;
  for (let index = 0; index < keys.length; index++) {
    const field = value[keys[index]];
    const encoded = encodeValue(field, depth + 1);
    if (copy === undefined) {
      if (encoded === field) continue;
      copy = { __proto__: null };
      for (let before = 0; before < index; before++) copy[keys[before]] = value[keys[before]];
    }
    copy[keys[index]] = encoded;
  }
  return copy ?? value;
}

function encodeArray(value, depth, mustCopy) {
  let copy = mustCopy ? emptyArray() : undefined;
  for (let index = 0; index < value.length; index++) {
    const item = value[index];
    const encoded = encodeValue(item, depth + 1);
    if (copy === undefined) {
      if (encoded === item) continue;
      copy = emptyArray();
      for (let before = 0; before < index; before++) copy[before] = value[before];
    }
    copy[index] = encoded;
  }
  return copy ?? value;
}

/** An array that nobody's setters or `toJSON` reach. */
function emptyArray() {
  const array = [];
  ReflectSetPrototypeOf(array, null);
  return array;
}

function encodeBuiltIn(value, depth) {
  const bytes = bytesOf(value);
  if (bytes !== undefined) return addBytes(bytes, 0);
  switch (kindOf(value)) {
    case "Date":
      return encodeDate(value);
    case "RegExp":
      return encodeRegExp(value);
    case "Map":
      return encodeMap(value, depth);
    case "String":
      return StringPrototypeValueOf(value);
    case "Number":
      return encodeValue(NumberPrototypeValueOf(value), depth);
    case "Boolean":
      return BooleanPrototypeValueOf(value);
    default:
      if (UNREADABLE[kindOf(value)] === true) throw REFUSED;
      return encodeFields(value, depth, true);
  }
}

function encodeDate(value) {
  const milliseconds = DatePrototypeGetTime(value);
  if (milliseconds !== milliseconds) throw REFUSED;
  return tagged("date", milliseconds);
}

function encodeRegExp(value) {
  const flags = RegExpPrototypeGetFlags(value);
  let options = "";
  for (let index = 0; index < FLAGS.length; index++) if (StringPrototypeIncludes(flags, FLAGS[index])) options += FLAGS[index];
  return { __proto__: null, [TAG]: "regex", v: RegExpPrototypeGetSource(value), o: options };
}

/** As pairs: an object would put names that look like numbers first. */
function encodeMap(value, depth) {
  const pairs = emptyArray();
  MapPrototypeForEach(value, (field, name) => {
    if (typeof name !== "string") throw REFUSED;
    const pair = emptyArray();
    pair[0] = name;
    pair[1] = encodeValue(field, depth + 1);
    pairs[pairs.length] = pair;
  });
  return tagged("map", pairs);
}

function addBytes(bytes, subtype) {
  const at = length;
  const size = TypedArrayPrototypeGetByteLength(bytes);
  length += size;
  ArrayPrototypePush((chunks ??= []), bytes);
  return { __proto__: null, [TAG]: "bin", at, len: size, s: subtype };
}

module.exports = { __proto__: null, encode, encodeValue, DEEPEST, NO_HEAD, REFUSED, UNREADABLE };
