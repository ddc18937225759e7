// Tagged objects in a parsed reply to the values they stand for, in place.

const { ArrayIsArray, Date, Error, ObjectHasOwn, ObjectKeys, RegExp, RegExpPrototypeExec } = require("../primordials.js");
const { op, sync } = require("../call.js");
const { ObjectId } = require("./object-id.js");
const { TAG, TRUSTED } = require("./tags.js");

const DECODE_BASE64 = op("documents.decodeBase64");

/** Options that are JavaScript's flags too. */
const FLAGS = /^[imsu]*$/;

/** The value of a reply. `tagged` tells where to look: nowhere, anywhere, or in some fields. */
function reviveReply({ value, tagged }) {
  if (tagged === null) return value;
  if (tagged === true) return revive(value);
  if (!ArrayIsArray(value)) return reviveFields(value, tagged);
  for (let index = 0; index < value.length; index++) reviveFields(value[index], tagged);
  return value;
}

function reviveFields(document, names) {
  for (let index = 0; index < names.length; index++) {
    const name = names[index];
    if (ObjectHasOwn(document, name)) reviveField(document, name);
  }
  return document;
}

/** Assigns only to properties that are there: setters on prototypes are not met. */
function reviveField(holder, name) {
  const value = holder[name];
  if (typeof value !== "object" || value === null) return;
  const revived = revive(value);
  if (revived !== value) holder[name] = revived;
}

function revive(value) {
  if (typeof value !== "object" || value === null) return value;
  if (ArrayIsArray(value)) {
    for (let index = 0; index < value.length; index++) reviveField(value, index);
    return value;
  }
  const keys = ObjectKeys(value);
  if (keys.length > 0 && keys[0] === TAG) return fromTagged(value);
  for (let index = 0; index < keys.length; index++) reviveField(value, keys[index]);
  return value;
}

function fromTagged(value) {
  switch (value[TAG]) {
    case "oid":
      return new ObjectId(TRUSTED, value.v);
    case "date":
      return new Date(+value.v);
    case "double":
      return +value.v;
    case "long":
      return new (require("./numbers.js").Long)(value.v);
    case "decimal":
      return new (require("./numbers.js").Decimal128)(TRUSTED, value.v);
    case "bin":
      return binaryOf(value);
    case "regex":
      return regExpOf(value.v, value.o);
    case "undefined":
      return undefined;
    default:
      return otherOf(value);
  }
}

function binaryOf({ v, s }) {
  const bytes = sync(DECODE_BASE64, v);
  return s === 0 ? bytes : new (require("./other-types.js").Binary)(bytes, s);
}

function regExpOf(pattern, options) {
  if (RegExpPrototypeExec(FLAGS, options) !== null) {
    try {
      return new RegExp(pattern, options);
    } catch {
      // Other languages have patterns that JavaScript lacks.
    }
  }
  return new (require("./other-types.js").BSONRegExp)(pattern, options);
}

function otherOf(value) {
  const types = require("./other-types.js");
  switch (value[TAG]) {
    case "ts":
      return new types.Timestamp({ t: value.t, i: value.i });
    case "code":
      return ObjectHasOwn(value, "scope") ? new types.Code(value.v, revive(value.scope)) : new types.Code(value.v);
    case "min":
      return new types.MinKey();
    case "max":
      return new types.MaxKey();
    default:
      throw new Error(`The host sent a value of an unknown type: ${value[TAG]}`);
  }
}

module.exports = { __proto__: null, reviveReply };
