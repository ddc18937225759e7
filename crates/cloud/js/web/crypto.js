// `crypto`: random bytes and digests.

const {
  ArrayBufferIsView, StringPrototypeToUpperCase, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetSymbolToStringTag, TypedArrayPrototypeSet, TypeError,
} = require("../primordials.js");
const { op, sync } = require("../call.js");
const { bytesOf } = require("./bytes.js");
const { illegal, need, tag } = require("./class.js");
const { DOMException } = require("./dom-exception.js");

const RANDOM = op("crypto.random");
const UUID = op("crypto.uuid");
const DIGEST = op("crypto.digest");

/** Bytes of one call, as https://w3c.github.io/webcrypto/#Crypto-method-getRandomValues bounds it. */
const QUOTA = 65536;

const INTEGERS = {
  __proto__: null,
  Int8Array: true,
  Uint8Array: true,
  Uint8ClampedArray: true,
  Int16Array: true,
  Uint16Array: true,
  Int32Array: true,
  Uint32Array: true,
  BigInt64Array: true,
  BigUint64Array: true,
};

const ALGORITHMS = { __proto__: null, "SHA-1": true, "SHA-256": true, "SHA-384": true, "SHA-512": true };

class SubtleCrypto {
  #genuine = true;

  constructor(key) {
    if (key !== illegal) throw illegal("SubtleCrypto");
  }

  async digest(algorithm, data) {
    this.#genuine;
    need(2, arguments.length, "SubtleCrypto.digest");
    const given = typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm;
    const name = StringPrototypeToUpperCase(`${given}`);
    if (ALGORITHMS[name] === undefined) {
      throw new DOMException(`Unrecognized algorithm ${given}: SHA-1, SHA-256, SHA-384 and SHA-512 are there`, "NotSupportedError");
    }
    const bytes = bytesOf(data);
    if (bytes === undefined) throw new TypeError("SubtleCrypto.digest: the data must be an ArrayBuffer or a view of one");
    return TypedArrayPrototypeGetBuffer(sync(DIGEST, name, bytes));
  }
}
tag(SubtleCrypto, "SubtleCrypto");

const subtle = new SubtleCrypto(illegal);

class Crypto {
  #genuine = true;

  constructor(key) {
    if (key !== illegal) throw illegal("Crypto");
  }

  get subtle() {
    this.#genuine;
    return subtle;
  }

  getRandomValues(array) {
    this.#genuine;
    need(1, arguments.length, "Crypto.getRandomValues");
    const kind = ArrayBufferIsView(array) ? TypedArrayPrototypeGetSymbolToStringTag(array) : undefined;
    if (INTEGERS[kind] === undefined) {
      throw new DOMException("Crypto.getRandomValues: the argument must be an array of integers", "TypeMismatchError");
    }
    const length = TypedArrayPrototypeGetByteLength(array);
    if (length > QUOTA) {
      throw new DOMException(`Crypto.getRandomValues: ${length} bytes asked for, ${QUOTA} at most in one call`, "QuotaExceededError");
    }
    if (length > 0) TypedArrayPrototypeSet(bytesOf(array), sync(RANDOM, `${length}`));
    return array;
  }

  randomUUID() {
    this.#genuine;
    return sync(UUID);
  }
}
tag(Crypto, "Crypto");

module.exports = { __proto__: null, crypto: new Crypto(illegal) };
