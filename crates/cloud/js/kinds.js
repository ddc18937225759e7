// What a value is by what the engine keeps inside it, not by what its prototype claims.

const {
  ArrayBufferPrototypeGetByteLength, ArrayIsArray, BigIntPrototypeValueOf, BooleanPrototypeValueOf, DatePrototypeGetTime,
  MapPrototypeGetSize, NumberPrototypeValueOf, ObjectPrototypeToString, RegExpPrototypeGetFlags, RegExpPrototypeGetSource,
  SetPrototypeGetSize, StringPrototypeSlice, StringPrototypeValueOf, SymbolPrototypeValueOf,
} = require("./primordials.js");

/** Each throws for a value that is not of its kind. */
const CHECKS = {
  __proto__: null,
  Map: MapPrototypeGetSize,
  Set: SetPrototypeGetSize,
  Date: DatePrototypeGetTime,
  RegExp(value) {
    RegExpPrototypeGetSource(value);
    RegExpPrototypeGetFlags(value);
  },
  ArrayBuffer: ArrayBufferPrototypeGetByteLength,
  Boolean: BooleanPrototypeValueOf,
  Number: NumberPrototypeValueOf,
  String: StringPrototypeValueOf,
  BigInt: BigIntPrototypeValueOf,
  Symbol: SymbolPrototypeValueOf,
};

/**
 * `Array`, `Error`, `Map`, … for an object; `Object` for a plain one; the class's own tag for
 * what has one.
 */
function kindOf(object) {
  if (ArrayIsArray(object)) return "Array";
  let tag;
  try {
    tag = StringPrototypeSlice(ObjectPrototypeToString(object), 8, -1);
  } catch {
    return "Object";
  }
  const check = CHECKS[tag];
  if (check === undefined) return tag;
  try {
    check(object);
    return tag;
  } catch {
    return "Object";
  }
}

/** The primitive inside an object made by `new Number(1)` and its like. */
function unbox(object, kind) {
  return CHECKS[kind](object);
}

module.exports = { __proto__: null, kindOf, unbox };
