// The bytes behind what the standards call a `BufferSource`.

const {
  ArrayBufferIsView, ArrayBufferPrototypeGetByteLength, DataViewPrototypeGetBuffer, DataViewPrototypeGetByteLength,
  DataViewPrototypeGetByteOffset, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeGetSymbolToStringTag, TypedArrayPrototypeSet, Uint8Array,
} = require("../primordials.js");

/** Whether `value` is an `ArrayBuffer`, whatever its prototype says. */
function isArrayBuffer(value) {
  try {
    ArrayBufferPrototypeGetByteLength(value);
    return true;
  } catch {
    return false;
  }
}

/** A `Uint8Array` over the same memory as `value`; `undefined` when it holds no bytes. */
function bytesOf(value) {
  if (ArrayBufferIsView(value)) {
    const isTyped = TypedArrayPrototypeGetSymbolToStringTag(value) !== undefined;
    const buffer = isTyped ? TypedArrayPrototypeGetBuffer(value) : DataViewPrototypeGetBuffer(value);
    const start = isTyped ? TypedArrayPrototypeGetByteOffset(value) : DataViewPrototypeGetByteOffset(value);
    const length = isTyped ? TypedArrayPrototypeGetByteLength(value) : DataViewPrototypeGetByteLength(value);
    return new Uint8Array(buffer, start, length);
  }
  if (typeof value !== "object" || value === null || !isArrayBuffer(value)) return undefined;
  return new Uint8Array(value);
}

/** A copy of some bytes. */
function copyOf(bytes) {
  const copy = new Uint8Array(TypedArrayPrototypeGetByteLength(bytes));
  TypedArrayPrototypeSet(copy, bytes);
  return copy;
}

/** The bytes of all `chunks`, one after the other. */
function concat(chunks) {
  if (chunks.length === 1) return chunks[0];
  let length = 0;
  for (let index = 0; index < chunks.length; index++) length += TypedArrayPrototypeGetByteLength(chunks[index]);
  const whole = new Uint8Array(length);
  let offset = 0;
  for (let index = 0; index < chunks.length; index++) {
    TypedArrayPrototypeSet(whole, chunks[index], offset);
    offset += TypedArrayPrototypeGetByteLength(chunks[index]);
  }
  return whole;
}

module.exports = { __proto__: null, isArrayBuffer, bytesOf, copyOf, concat };
