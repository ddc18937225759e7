// Finds what `encode.js` refused, for an error that names it. Loaded when something was refused.

const {
  ArrayIsArray, ArrayPrototypePop, ArrayPrototypePush, DatePrototypeGetTime, MapPrototypeForEach, NumberIsNaN, ObjectKeys,
  RegExpPrototypeExec, StringPrototypeSlice, TypeError,
} = require("../primordials.js");
const { kindOf } = require("../kinds.js");
const { bytesOf } = require("../web/bytes.js");
const { DEEPEST, UNREADABLE } = require("./encode.js");
const { ENCODE, TAG } = require("./tags.js");

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

/** The error for a request of `verb` that holds what no document can. `parts` are names and values in turn. */
function encodeFailure(verb, parts) {
  const request = { __proto__: null };
  for (let index = 0; index < parts.length; index += 2) request[parts[index]] = parts[index + 1];
  const found = search(request, "", []);
  const error = new TypeError(`${verb}: ${found ?? "a value cannot be stored in a document"}`);
  error.code = "INVALID_ARGUMENT";
  return error;
}

function search(value, path, above) {
  const problem = problemOf(value);
  if (problem !== undefined) return `${path} ${problem}`;
  if (typeof value !== "object" || value === null || value[ENCODE] !== undefined || bytesOf(value) !== undefined) return undefined;
  for (let index = 0; index < above.length; index++) if (above[index] === value) return `${path} is cyclic`;
  if (above.length > DEEPEST) return `${StringPrototypeSlice(path, 0, 60)}… is nested more than 100 levels deep`;
  ArrayPrototypePush(above, value);
  const found = searchInside(value, path, above);
  ArrayPrototypePop(above);
  return found;
}

function searchInside(value, path, above) {
  if (kindOf(value) === "Map") return searchMap(value, path, above);
  const keys = ObjectKeys(value);
  if (keys.length > 0 && keys[0] === TAG) return `${path} has a field whose name is a NUL character`;
  for (let index = 0; index < keys.length; index++) {
    const found = search(value[keys[index]], join(path, keys[index], ArrayIsArray(value)), above);
    if (found !== undefined) return found;
  }
  return undefined;
}

function searchMap(map, path, above) {
  let found;
  MapPrototypeForEach(map, (value, name) => {
    if (found === undefined) found = typeof name === "string" ? search(value, join(path, name, false), above) : `${path} is a Map with a key that is not a string`;
  });
  return found;
}

function join(path, key, inArray) {
  if (inArray) return `${path}[${key}]`;
  if (RegExpPrototypeExec(IDENTIFIER, key) === null) return `${path}["${key}"]`;
  return path === "" ? key : `${path}.${key}`;
}

function problemOf(value) {
  if (typeof value === "function") return "is a function, which cannot be stored";
  if (typeof value === "symbol") return "is a symbol, which cannot be stored";
  if (typeof value === "bigint" && (value < -0x8000000000000000n || value > 0x7fffffffffffffffn)) return "is a BigInt of more than 64 bits";
  if (typeof value !== "object" || value === null) return undefined;
  const kind = kindOf(value);
  if (kind === "Date" && NumberIsNaN(DatePrototypeGetTime(value))) return "is an invalid Date";
  if (kind === "Promise") return "is a Promise: an await is missing";
  if (kind === "Set") return "is a Set, which cannot be stored: make an array of it";
  return UNREADABLE[kind] === true ? `is a ${kind}, which cannot be stored` : undefined;
}

module.exports = { __proto__: null, encodeFailure };
