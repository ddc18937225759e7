// TextEncoder and TextDecoder.

const {
  RangeError, StringPrototypeCharCodeAt, StringPrototypeSlice, TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetSymbolToStringTag, TypedArrayPrototypeSet, TypedArrayPrototypeSubarray, TypeError, Uint8Array,
} = require("../primordials.js");
const { op, sync } = require("../call.js");
const { bytesOf, concat, copyOf } = require("./bytes.js");
const { dictionary, tag } = require("./class.js");

const ENCODE = op("text.encode");
const DECODE = op("text.decode");
const NAME = op("text.encoding");

const isHighSurrogate = (unit) => (unit & 0xfc00) === 0xd800;
const isLowSurrogate = (unit) => (unit & 0xfc00) === 0xdc00;

/** The UTF-8 of a string, lone surrogates replaced. */
function encode(text) {
  return text === "" ? new Uint8Array(0) : sync(ENCODE, text);
}

/** The text of UTF-8 bytes, what is malformed replaced, a byte order mark left out. */
function decode(bytes) {
  return sync(DECODE, "-b,utf-8", bytes);
}

/** As many bytes from the start of `bytes` as fit into `room` without cutting a character. */
function fitting(bytes, room) {
  if (TypedArrayPrototypeGetByteLength(bytes) <= room) return bytes;
  let end = room;
  while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--;
  return TypedArrayPrototypeSubarray(bytes, 0, end);
}

/** How many UTF-16 code units well-formed UTF-8 stands for. */
function unitsOf(bytes) {
  let units = 0;
  const length = TypedArrayPrototypeGetByteLength(bytes);
  for (let index = 0; index < length; index++) {
    if ((bytes[index] & 0xc0) !== 0x80) units += bytes[index] >= 0xf0 ? 2 : 1;
  }
  return units;
}

class TextEncoder {
  #genuine = true;

  get encoding() {
    this.#genuine;
    return "utf-8";
  }

  encode(input = "") {
    this.#genuine;
    return encode(`${input}`);
  }

  encodeInto(source, destination) {
    this.#genuine;
    if (TypedArrayPrototypeGetSymbolToStringTag(destination) !== "Uint8Array") {
      throw new TypeError("TextEncoder.encodeInto: the destination must be a Uint8Array");
    }
    const whole = `${source}`;
    const room = TypedArrayPrototypeGetByteLength(destination);
    // A code unit takes a byte at least, and a pair four: what is cut off here could not fit.
    let text = StringPrototypeSlice(whole, 0, room);
    const cut = text.length;
    if (isHighSurrogate(StringPrototypeCharCodeAt(text, cut - 1)) && isLowSurrogate(StringPrototypeCharCodeAt(whole, cut))) {
      text = StringPrototypeSlice(text, 0, cut - 1);
    }
    const bytes = fitting(encode(text), room);
    TypedArrayPrototypeSet(destination, bytes);
    return { read: unitsOf(bytes), written: TypedArrayPrototypeGetByteLength(bytes) };
  }
}
tag(TextEncoder, "TextEncoder");

/** How many bytes at the end of `bytes` may be the start of a character that goes on. */
function unfinished(encoding, bytes) {
  const length = TypedArrayPrototypeGetByteLength(bytes);
  if (encoding === "utf-8") return unfinishedUtf8(bytes, length);
  if (encoding === "utf-16le" || encoding === "utf-16be") {
    const odd = length & 1;
    const high = encoding === "utf-16le" ? length - odd - 1 : length - odd - 2;
    return high >= 0 && (bytes[high] & 0xfc) === 0xd8 ? odd + 2 : odd;
  }
  // The older encodings of more than one byte cannot be cut without decoding them from the
  // start: they wait for the end. Those of one byte can be cut anywhere.
  return MULTI_BYTE[encoding] === true ? length : 0;
}

function unfinishedUtf8(bytes, length) {
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? back : 0;
  }
  return 0;
}

const MULTI_BYTE = {
  __proto__: null,
  big5: true,
  "euc-jp": true,
  "euc-kr": true,
  gb18030: true,
  gbk: true,
  "iso-2022-jp": true,
  shift_jis: true,
};

class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  #pending;
  #started = false;

  constructor(label = "utf-8", options = undefined) {
    const { fatal, ignoreBOM } = dictionary(options, "TextDecoder");
    this.#encoding = sync(NAME, `${label}`);
    if (this.#encoding === undefined) throw new RangeError(`TextDecoder: ${label} is not the label of an encoding`);
    this.#fatal = !!fatal;
    this.#ignoreBOM = !!ignoreBOM;
  }

  get encoding() {
    return this.#encoding;
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#ignoreBOM;
  }

  decode(input = undefined, options = undefined) {
    const encoding = this.#encoding;
    const stream = !!dictionary(options, "TextDecoder.decode").stream;
    let bytes = input === undefined ? new Uint8Array(0) : bytesOf(input);
    if (bytes === undefined) throw new TypeError("TextDecoder.decode: the input must be an ArrayBuffer or a view of one");
    if (this.#pending !== undefined) bytes = concat([this.#pending, bytes]);
    this.#pending = undefined;
    if (stream) bytes = this.#hold(bytes);
    const strip = !this.#started && !this.#ignoreBOM;
    this.#started = stream && (this.#started || TypedArrayPrototypeGetByteLength(bytes) > 0);
    const text = sync(DECODE, `${this.#fatal ? "f" : "-"}${strip ? "b" : "-"},${encoding}`, bytes);
    if (text !== undefined) return text;
    this.#started = false;
    this.#pending = undefined;
    throw new TypeError(`TextDecoder.decode: the bytes are not valid ${encoding}`);
  }

  /** Keeps what may go on in the next call; returns the rest. */
  #hold(bytes) {
    const held = unfinished(this.#encoding, bytes);
    if (held === 0) return bytes;
    const end = TypedArrayPrototypeGetByteLength(bytes) - held;
    this.#pending = copyOf(TypedArrayPrototypeSubarray(bytes, end));
    return TypedArrayPrototypeSubarray(bytes, 0, end);
  }
}
tag(TextDecoder, "TextDecoder");

module.exports = { __proto__: null, TextEncoder, TextDecoder, encode, decode };
