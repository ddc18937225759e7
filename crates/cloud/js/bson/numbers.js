// Numbers that documents tell apart and JavaScript does not.

const { BigInt, BigIntAsIntN, BigIntAsUintN, MathTrunc, Number, NumberIsInteger, NumberIsSafeInteger, ObjectIs, RangeError, RegExpPrototypeExec, TypeError } = require("../primordials.js");
const { op, sync } = require("../call.js");
const { ENCODE, TRUSTED, tagged } = require("./tags.js");

const DECIMAL = op("documents.decimal");
const INTEGER = /^[+-]?[0-9]+$/;

/** A 64-bit integer. */
class Long {
  #value;

  /** Takes what holds a whole number, or the low and the high half of the bits. */
  constructor(value = 0, high) {
    if (typeof high === "number") this.#value = BigIntAsIntN(64, (BigInt(high | 0) << 32n) | BigInt(value >>> 0));
    else this.#value = Long.#read(value);
  }

  static #read(value) {
    if (typeof value === "object" && value !== null && #value in value) return value.#value;
    if (typeof value === "string" && RegExpPrototypeExec(INTEGER, value) === null) throw new TypeError(`"${value}" is not a whole number`);
    if (typeof value === "number" && !NumberIsInteger(value)) throw new TypeError(`${value} is not a whole number`);
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint") throw new TypeError("A Long is made of a string, a number or a BigInt");
    const whole = BigInt(value);
    if (BigIntAsIntN(64, whole) !== whole) throw new RangeError(`${whole} does not fit in 64 bits`);
    return whole;
  }

  static #wrap(value) {
    return new Long(BigIntAsIntN(64, value));
  }

  static fromString(text) {
    if (typeof text !== "string") throw new TypeError("Long.fromString takes a string");
    return new Long(text);
  }

  static fromNumber(number) {
    if (typeof number !== "number") throw new TypeError("Long.fromNumber takes a number");
    return new Long(MathTrunc(number));
  }

  static fromInt(number) {
    return new Long(number | 0);
  }

  static fromBigInt(value) {
    return new Long(value);
  }

  static fromBits(low, high) {
    return new Long(low, high);
  }

  static isLong(value) {
    return typeof value === "object" && value !== null && #value in value;
  }

  get low() {
    return Number(BigIntAsIntN(32, this.#value));
  }

  get high() {
    return Number(this.#value >> 32n);
  }

  add(other) {
    return Long.#wrap(this.#value + Long.#read(other));
  }

  subtract(other) {
    return Long.#wrap(this.#value - Long.#read(other));
  }

  multiply(other) {
    return Long.#wrap(this.#value * Long.#read(other));
  }

  divide(other) {
    return Long.#wrap(this.#value / Long.#read(other));
  }

  modulo(other) {
    return Long.#wrap(this.#value % Long.#read(other));
  }

  negate() {
    return Long.#wrap(-this.#value);
  }

  compare(other) {
    const value = Long.#read(other);
    return this.#value < value ? -1 : this.#value > value ? 1 : 0;
  }

  equals(other) {
    return this.compare(other) === 0;
  }

  lessThan(other) {
    return this.compare(other) < 0;
  }

  greaterThan(other) {
    return this.compare(other) > 0;
  }

  isZero() {
    return this.#value === 0n;
  }

  isNegative() {
    return this.#value < 0n;
  }

  toBigInt() {
    return this.#value;
  }

  toInt() {
    return this.low;
  }

  toNumber() {
    return Number(this.#value);
  }

  toString() {
    return `${this.#value}`;
  }

  /** A number where a number is exact, else its digits. */
  toJSON() {
    const number = Number(this.#value);
    return NumberIsSafeInteger(number) ? number : `${this.#value}`;
  }

  [ENCODE]() {
    return tagged("long", `${this.#value}`);
  }
}
Long.ZERO = new Long(0);
Long.ONE = new Long(1);
Long.MAX_VALUE = new Long(BigIntAsUintN(63, -1n));
Long.MIN_VALUE = new Long(-(2n ** 63n));

/** How a double that JSON would lose travels. */
function encodeDouble(value) {
  return tagged("double", ObjectIs(value, -0) ? "-0" : `${value}`);
}

class WrappedNumber {
  constructor(value) {
    this.value = value;
  }

  valueOf() {
    return this.value;
  }

  toString() {
    return `${this.value}`;
  }

  toJSON() {
    return this.value;
  }
}

/** A double, also where the number is whole. */
class Double extends WrappedNumber {
  constructor(value) {
    super(Number(value));
  }

  [ENCODE]() {
    return encodeDouble(Number(this.value));
  }
}

/** A 32-bit integer. */
class Int32 extends WrappedNumber {
  constructor(value) {
    super(Int32.#read(value));
  }

  static #read(value) {
    const number = Number(value);
    if (number !== (number | 0)) throw new RangeError(`${number} does not fit in 32 bits`);
    return number | 0;
  }

  [ENCODE]() {
    return Int32.#read(this.value);
  }
}

/** A decimal number of 34 digits. */
class Decimal128 {
  #text;

  constructor(input, trusted) {
    if (input !== TRUSTED && typeof input !== "string") throw new TypeError("A Decimal128 is made of a string");
    this.#text = input === TRUSTED ? trusted : sync(DECIMAL, input);
  }

  static fromString(text) {
    return new Decimal128(text);
  }

  toString() {
    return this.#text;
  }

  toJSON() {
    return { $numberDecimal: this.#text };
  }

  [ENCODE]() {
    return tagged("decimal", this.#text);
  }
}

module.exports = { __proto__: null, Long, Double, Int32, Decimal128, encodeDouble };
