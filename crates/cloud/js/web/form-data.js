// FormData, its form on the wire (https://www.rfc-editor.org/rfc/rfc7578) included.

const {
  ArrayPrototypePush, ArrayPrototypeSplice, ReflectApply, RegExpPrototypeExec, RegExpPrototypeSymbolReplace, StringPrototypeToLowerCase,
  TypedArrayPrototypeGetByteLength, TypedArrayPrototypeIndexOf, TypedArrayPrototypeSubarray, TypeError,
} = require("../primordials.js");
const { op, sync } = require("../call.js");
const { File, contentOf } = require("./blob.js");
const brands = require("./brands.js");
const { concat } = require("./bytes.js");
const { iterableBy, need, pairIterators, scalarString, tag } = require("./class.js");
const { decode, encode } = require("./encoding.js");

const UUID = op("crypto.uuid");
const CR = 13;
const DASH = 45;

const iterate = pairIterators("FormData");

/** A value as it is kept: text, or a file with a name. */
function valueOf(value, name, count, what) {
  const isBlob = typeof value === "object" && value !== null && brands.isBlob(value);
  if (!isBlob) {
    if (count > 2) throw new TypeError(`${what}: only a Blob takes a file name`);
    return scalarString(value);
  }
  if (value instanceof File && name === undefined) return value;
  return new File([value], name === undefined ? "blob" : scalarString(name), { type: value.type });
}

let listOf;
let fromPairs;

class FormData {
  #list = [];

  static {
    brands.isFormData = (value) => #list in value;
    listOf = (form) => form.#list;
    fromPairs = (pairs) => {
      const form = new FormData();
      form.#list = pairs;
      return form;
    };
  }

  constructor(form = undefined) {
    if (form !== undefined) throw new TypeError("FormData: there are no form elements here");
  }

  append(name, value, filename = undefined) {
    need(2, arguments.length, "FormData.append");
    ArrayPrototypePush(this.#list, [scalarString(name), valueOf(value, filename, arguments.length, "FormData.append")]);
  }

  delete(name) {
    need(1, arguments.length, "FormData.delete");
    const key = scalarString(name);
    for (let index = this.#list.length - 1; index >= 0; index--) {
      if (this.#list[index][0] === key) ArrayPrototypeSplice(this.#list, index, 1);
    }
  }

  get(name) {
    need(1, arguments.length, "FormData.get");
    const key = scalarString(name);
    for (let index = 0; index < this.#list.length; index++) if (this.#list[index][0] === key) return this.#list[index][1];
    return null;
  }

  getAll(name) {
    need(1, arguments.length, "FormData.getAll");
    const key = scalarString(name);
    const values = [];
    for (let index = 0; index < this.#list.length; index++) {
      if (this.#list[index][0] === key) ArrayPrototypePush(values, this.#list[index][1]);
    }
    return values;
  }

  has(name) {
    need(1, arguments.length, "FormData.has");
    return this.get(name) !== null;
  }

  set(name, value, filename = undefined) {
    need(2, arguments.length, "FormData.set");
    const key = scalarString(name);
    const pair = [key, valueOf(value, filename, arguments.length, "FormData.set")];
    let found = false;
    for (let index = 0; index < this.#list.length; index++) {
      if (this.#list[index][0] !== key) continue;
      if (found) ArrayPrototypeSplice(this.#list, index--, 1);
      else this.#list[index] = pair;
      found = true;
    }
    if (!found) ArrayPrototypePush(this.#list, pair);
  }

  forEach(callback, self = undefined) {
    need(1, arguments.length, "FormData.forEach");
    if (typeof callback !== "function") throw new TypeError("FormData.forEach: the callback must be a function");
    for (let index = 0; index < this.#list.length; index++) {
      const { 0: name, 1: value } = this.#list[index];
      ReflectApply(callback, self, [value, name, this]);
    }
  }

  entries() {
    this.#list;
    return iterate(() => this.#list, "entries");
  }

  keys() {
    this.#list;
    return iterate(() => this.#list, "keys");
  }

  values() {
    this.#list;
    return iterate(() => this.#list, "values");
  }
}
tag(FormData, "FormData");
iterableBy(FormData, "entries");

const replace = (pattern, text, replacement) => RegExpPrototypeSymbolReplace(pattern, text, replacement);

const lineBreaks = (text) => replace(/\r\n?|\n/g, text, "\r\n");

const quoted = (text) => replace(/"/g, replace(/\n/g, replace(/\r/g, text, "%0D"), "%0A"), "%22");

/** The bytes of a form and the content type that names its boundary. */
function serialize(form) {
  const boundary = `----tandem-${sync(UUID)}`;
  const chunks = [];
  const list = listOf(form);
  for (let index = 0; index < list.length; index++) {
    const { 0: name, 1: value } = list[index];
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(lineBreaks(name))}"`;
    if (typeof value === "string") {
      ArrayPrototypePush(chunks, encode(`${head}\r\n\r\n${lineBreaks(value)}\r\n`));
    } else {
      const type = value.type === "" ? "application/octet-stream" : value.type;
      ArrayPrototypePush(chunks, encode(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`));
      ArrayPrototypePush(chunks, contentOf(value));
      ArrayPrototypePush(chunks, encode("\r\n"));
    }
  }
  ArrayPrototypePush(chunks, encode(`--${boundary}--\r\n`));
  return { __proto__: null, content: concat(chunks), type: `multipart/form-data; boundary=${boundary}` };
}

const malformed = (why) => new TypeError(`formData: the multipart body is malformed: ${why}`);

/** Where `needle` starts in `bytes` at or after `from`; -1 when it does not. */
function find(bytes, needle, from) {
  const last = TypedArrayPrototypeGetByteLength(bytes) - TypedArrayPrototypeGetByteLength(needle);
  const size = TypedArrayPrototypeGetByteLength(needle);
  for (let start = from; ; start++) {
    start = TypedArrayPrototypeIndexOf(bytes, needle[0], start);
    if (start < 0 || start > last) return -1;
    let same = 1;
    while (same < size && bytes[start + same] === needle[same]) same++;
    if (same === size) return start;
  }
}

/** The form in a multipart body. */
function parseMultipart(bytes, type) {
  const match = RegExpPrototypeExec(/;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i, type);
  if (match === null) throw malformed("the content type names no boundary");
  // Every delimiter but the first follows a line break, which belongs to it.
  const delimiter = encode(`\r\n--${match[1] ?? match[2]}`);
  const separator = encode("\r\n\r\n");
  const pairs = [];
  let place = find(bytes, TypedArrayPrototypeSubarray(delimiter, 2), 0) - 2;
  if (place < -2) throw malformed("its boundary is not there");
  for (;;) {
    place += TypedArrayPrototypeGetByteLength(delimiter);
    if (bytes[place] === DASH && bytes[place + 1] === DASH) return fromPairs(pairs);
    if (bytes[place] !== CR) throw malformed("a boundary does not end its line");
    const headEnd = find(bytes, separator, place);
    const end = headEnd < 0 ? -1 : find(bytes, delimiter, headEnd + 2);
    if (end < 0) throw malformed("it ends within a part");
    const head = decode(TypedArrayPrototypeSubarray(bytes, place, headEnd));
    ArrayPrototypePush(pairs, partOf(head, TypedArrayPrototypeSubarray(bytes, headEnd + 4, end)));
    place = end;
  }
}

function partOf(head, content) {
  const disposition = RegExpPrototypeExec(/^content-disposition:\s*form-data\s*;(.*)$/im, head)?.[1];
  const name = disposition === undefined ? undefined : parameterOf(disposition, "name");
  if (name === undefined) throw malformed("a part has no name");
  const filename = parameterOf(disposition, "filename");
  if (filename === undefined) return [name, decode(content)];
  const type = RegExpPrototypeExec(/^content-type:\s*(.*?)\s*$/im, head)?.[1] ?? "text/plain";
  return [name, new File([content], filename, { type: StringPrototypeToLowerCase(type) })];
}

function parameterOf(disposition, name) {
  const pattern = name === "name" ? /(?:^|;)\s*name="([^"]*)"/i : /(?:^|;)\s*filename="([^"]*)"/i;
  const value = RegExpPrototypeExec(pattern, disposition)?.[1];
  return value === undefined ? undefined : replace(/%22/g, replace(/%0A/g, replace(/%0D/g, value, "\r"), "\n"), '"');
}

module.exports = { __proto__: null, FormData, fromPairs, parseMultipart, serialize };
