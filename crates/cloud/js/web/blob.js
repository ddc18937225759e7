// Blob and File, held in memory.

const {
  ArrayPrototypePush, DateNow, MathTrunc, RegExpPrototypeExec, StringPrototypeToLowerCase, SymbolIterator,
  TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeSubarray, TypeError,
} = require("../primordials.js");
const brands = require("./brands.js");
const { bytesOf, concat, copyOf } = require("./bytes.js");
const { dictionary, illegal, need, scalarString, tag } = require("./class.js");
const { decode, encode } = require("./encoding.js");

function typeOf(value) {
  const type = `${value}`;
  return RegExpPrototypeExec(/^[\x20-\x7e]*$/, type) === null ? "" : StringPrototypeToLowerCase(type);
}

/** A place that counts from the end when it is negative. */
function placeOf(value, size) {
  const place = MathTrunc(+value) || 0;
  if (place < 0) return size + place < 0 ? 0 : size + place;
  return place > size ? size : place;
}

let contentOf;

class Blob {
  #bytes;
  #type;

  static {
    brands.isBlob = (value) => #bytes in value;
    /** Its bytes, not copied. */
    contentOf = (blob) => blob.#bytes;
  }

  constructor(parts = undefined, options = undefined, type = undefined) {
    if (parts === illegal) {
      this.#bytes = options;
      this.#type = type;
      return;
    }
    this.#type = typeOf(dictionary(options, "Blob").type ?? "");
    this.#bytes = joined(parts);
  }

  get size() {
    return TypedArrayPrototypeGetByteLength(this.#bytes);
  }

  get type() {
    return this.#type;
  }

  async arrayBuffer() {
    return TypedArrayPrototypeGetBuffer(copyOf(this.#bytes));
  }

  async bytes() {
    return copyOf(this.#bytes);
  }

  async text() {
    return decode(this.#bytes);
  }

  slice(start = 0, end = undefined, type = "") {
    const size = TypedArrayPrototypeGetByteLength(this.#bytes);
    const first = placeOf(start, size);
    const last = end === undefined ? size : placeOf(end, size);
    return makeBlob(TypedArrayPrototypeSubarray(this.#bytes, first, last > first ? last : first), typeOf(type));
  }

  stream() {
    const { bodyOf, openStream } = require("./body.js");
    return openStream(bodyOf(copyOf(this.#bytes)));
  }
}
tag(Blob, "Blob");

/** A Blob over `bytes`, which nobody else changes. */
function makeBlob(bytes, type) {
  return new Blob(illegal, bytes, type);
}

function joined(parts) {
  const chunks = [];
  if (parts === undefined) return concat(chunks);
  if (parts === null || typeof parts !== "object" || typeof parts[SymbolIterator] !== "function") {
    throw new TypeError("Blob: the parts must be an iterable");
  }
  for (const part of parts) {
    const isObject = typeof part === "object" && part !== null;
    const bytes = !isObject ? undefined : brands.isBlob(part) ? contentOf(part) : bytesOf(part);
    ArrayPrototypePush(chunks, bytes ?? encode(scalarString(part)));
  }
  return chunks.length === 1 ? copyOf(chunks[0]) : concat(chunks);
}

class File extends Blob {
  #name;
  #lastModified;

  constructor(parts, name, options = undefined) {
    need(2, arguments.length, "File");
    super(parts, options);
    this.#name = scalarString(name);
    const { lastModified } = dictionary(options, "File");
    this.#lastModified = lastModified === undefined ? DateNow() : MathTrunc(+lastModified);
  }

  get name() {
    return this.#name;
  }

  get lastModified() {
    return this.#lastModified;
  }

  get webkitRelativePath() {
    this.#name;
    return "";
  }
}
tag(File, "File");

module.exports = { __proto__: null, Blob, File, contentOf, makeBlob };
