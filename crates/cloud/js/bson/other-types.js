// Types that documents of other programs may hold. Functions read them, keep them and write them back.

const { BigInt, Number, TypedArrayPrototypeGetLength, TypeError } = require("../primordials.js");
const { op, sync } = require("../call.js");
const { bytesOf } = require("../web/bytes.js");
const { ENCODE, TAG, tagged } = require("./tags.js");

const ENCODE_BASE64 = op("documents.encodeBase64");
const DECODE_BASE64 = op("documents.decodeBase64");

/** Bytes with a subtype; those without one are plain `Uint8Array`s. */
class Binary {
  constructor(buffer, subType = 0) {
    const bytes = typeof buffer === "string" ? undefined : bytesOf(buffer);
    if (bytes === undefined) throw new TypeError("A Binary is made of a Uint8Array or an ArrayBuffer");
    if (subType !== (subType & 0xff)) throw new TypeError("The subtype of a Binary is a number from 0 to 255");
    this.buffer = bytes;
    this.sub_type = subType;
  }

  static createFromBase64(text, subType) {
    return new Binary(sync(DECODE_BASE64, `${text}`), subType);
  }

  value() {
    return this.buffer;
  }

  length() {
    return TypedArrayPrototypeGetLength(this.buffer);
  }

  toString() {
    return sync(ENCODE_BASE64, undefined, this.buffer);
  }

  toJSON() {
    return this.toString();
  }

  [ENCODE](addBytes) {
    return addBytes(this.buffer, this.sub_type);
  }
}

/** A regular expression that JavaScript cannot run, as it is stored. */
class BSONRegExp {
  constructor(pattern, options = "") {
    if (typeof pattern !== "string" || typeof options !== "string") throw new TypeError("A BSONRegExp is made of two strings");
    this.pattern = pattern;
    this.options = options;
  }

  [ENCODE]() {
    return { __proto__: null, [TAG]: "regex", v: `${this.pattern}`, o: `${this.options}` };
  }
}

/** Code as data: nothing runs it. */
class Code {
  constructor(code, scope = null) {
    this.code = `${code}`;
    this.scope = scope;
  }

  toJSON() {
    return this.scope === null ? { code: this.code } : { code: this.code, scope: this.scope };
  }

  [ENCODE](addBytes, encodeInner) {
    return { __proto__: null, [TAG]: "code", v: `${this.code}`, scope: encodeInner(this.scope) };
  }
}

/** The internal timestamp of replication: seconds and a count within the second. */
class Timestamp {
  constructor({ t, i }) {
    if (t !== t >>> 0 || i !== i >>> 0) throw new TypeError("A Timestamp is made of {t, i}, two whole numbers of 32 bits");
    this.t = t;
    this.i = i;
  }

  equals(other) {
    return other instanceof Timestamp && other.t === this.t && other.i === this.i;
  }

  toString() {
    return `${(BigInt(this.t) << 32n) | BigInt(this.i)}`;
  }

  toJSON() {
    return { $timestamp: { t: this.t, i: this.i } };
  }

  [ENCODE]() {
    return { __proto__: null, [TAG]: "ts", t: Number(this.t) >>> 0, i: Number(this.i) >>> 0 };
  }
}

/** Sorts before every other value. */
class MinKey {
  toJSON() {
    return { $minKey: 1 };
  }

  [ENCODE]() {
    return tagged("min", null);
  }
}

/** Sorts after every other value. */
class MaxKey {
  toJSON() {
    return { $maxKey: 1 };
  }

  [ENCODE]() {
    return tagged("max", null);
  }
}

module.exports = { __proto__: null, Binary, BSONRegExp, Code, MaxKey, MinKey, Timestamp };
