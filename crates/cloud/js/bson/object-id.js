// ObjectId: four bytes of time, five random ones of this isolate, three that count.

const {
  Date, DateNow, MathFloor, NumberParseInt, NumberPrototypeToString, RegExpPrototypeExec, StringPrototypePadStart,
  StringPrototypeSlice, StringPrototypeToLowerCase, TypedArrayPrototypeGetLength, TypeError, Uint8Array,
} = require("../primordials.js");
const { op, sync } = require("../call.js");
const { bytesOf } = require("../web/bytes.js");
const { ENCODE, TRUSTED, tagged } = require("./tags.js");

const SEED = op("documents.idSeed");
const HEX = /^[0-9a-fA-F]{24}$/;

const hex = (number, digits) => StringPrototypePadStart(NumberPrototypeToString(number, 16), digits, "0");

let machine;
let count = 0;

/** The digits of a new id; `seconds` since 1970 where they are not now. */
function newDigits(seconds = MathFloor(DateNow() / 1000)) {
  if (machine === undefined) {
    const seed = sync(SEED);
    machine = StringPrototypeSlice(seed, 0, 10);
    count = NumberParseInt(StringPrototypeSlice(seed, 10), 16);
  }
  count = (count + 1) & 0xffffff;
  return hex(seconds >>> 0, 8) + machine + hex(count, 6);
}

function hexOf(bytes) {
  let text = "";
  for (let index = 0; index < 12; index++) text += hex(bytes[index], 2);
  return text;
}

class ObjectId {
  #hex;

  constructor(input, trusted) {
    this.#hex = input === TRUSTED ? trusted : ObjectId.#read(input);
  }

  static #read(input) {
    if (input === undefined || input === null) return newDigits();
    if (typeof input === "number") return newDigits(input);
    if (typeof input === "string" && RegExpPrototypeExec(HEX, input) !== null) return StringPrototypeToLowerCase(input);
    if (typeof input === "object") {
      if (#hex in input) return input.#hex;
      const bytes = bytesOf(input);
      if (bytes !== undefined && TypedArrayPrototypeGetLength(bytes) === 12) return hexOf(bytes);
      if (typeof input.toHexString === "function") return ObjectId.#read(`${input.toHexString()}`);
    }
    throw new TypeError("An ObjectId is made of 24 hexadecimal digits, 12 bytes, a number of seconds, or nothing");
  }

  static createFromHexString(text) {
    if (typeof text !== "string") throw new TypeError("ObjectId.createFromHexString takes a string of 24 hexadecimal digits");
    return new ObjectId(text);
  }

  /** The smallest id of a second, for comparisons. */
  static createFromTime(seconds) {
    return new ObjectId(TRUSTED, `${hex(seconds >>> 0, 8)}0000000000000000`);
  }

  static isValid(input) {
    if (input === undefined || input === null) return false;
    try {
      ObjectId.#read(input);
      return true;
    } catch {
      return false;
    }
  }

  get id() {
    const bytes = new Uint8Array(12);
    for (let index = 0; index < 12; index++) bytes[index] = NumberParseInt(StringPrototypeSlice(this.#hex, index * 2, index * 2 + 2), 16);
    return bytes;
  }

  getTimestamp() {
    return new Date(NumberParseInt(StringPrototypeSlice(this.#hex, 0, 8), 16) * 1000);
  }

  equals(other) {
    if (other === undefined || other === null) return false;
    if (typeof other === "object" && #hex in other) return other.#hex === this.#hex;
    return ObjectId.isValid(other) && typeof other !== "number" && ObjectId.#read(other) === this.#hex;
  }

  toHexString() {
    return this.#hex;
  }

  toString() {
    return this.#hex;
  }

  toJSON() {
    return this.#hex;
  }

  [ENCODE]() {
    return tagged("oid", this.#hex);
  }
}

module.exports = { __proto__: null, ObjectId, newDigits };
