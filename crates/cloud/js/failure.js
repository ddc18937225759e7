// What a thrown value tells the caller and the log.

const { ErrorPrototypeToString, JSONStringify, ReflectOwnKeys, String, StringPrototypeIndexOf, StringPrototypeSlice, StringPrototypeStartsWith, TypeError, WeakSet, WeakSetPrototypeAdd, WeakSetPrototypeDelete, WeakSetPrototypeHas } = require("./primordials.js");
const { hostCode } = require("./host-errors.js");

/** Values nest this deep before the search for what cannot be serialized gives up. */
const DEEPEST = 1000;

function attempt(read) {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function text(value) {
  return attempt(() => (typeof value === "string" ? value : typeof value === "object" ? JSONStringify(value) : String(value))) ?? "An unprintable value was thrown";
}

const isErrorLike = (value) => typeof value === "object" && value !== null && typeof attempt(() => value.message) === "string";

/**
 * `message` is what the caller reads, `stack` what the log shows (frames as the engine wrote
 * them), `kind` the code of an error that the host made and the function let through.
 */
function describeError(thrown) {
  if (!isErrorLike(thrown)) {
    const message = text(thrown);
    return { message, stack: message, kind: undefined };
  }
  const name = attempt(() => thrown.name);
  const header = attempt(() => ErrorPrototypeToString(thrown)) ?? "Error";
  const message = attempt(() => thrown.message) || (typeof name === "string" ? name : "Error");
  const trace = attempt(() => thrown.stack);
  const frames = typeof trace !== "string" ? "" : StringPrototypeStartsWith(trace, header) ? StringPrototypeSlice(trace, header.length) : `\n${framesOf(trace)}`;
  return { message, stack: header + frames, kind: hostCode(thrown) };
}

/** The lines of a trace that name places, where the message at its head is not the error's own. */
function framesOf(trace) {
  const first = StringPrototypeIndexOf(trace, "    at ");
  return first < 0 ? "" : StringPrototypeSlice(trace, first);
}

/** Engines word this differently; functions read one sentence. A getter's own error stays. */
function explainUnserializable(value, error) {
  const reason = attempt(() => reasonOf(value, new WeakSet(), 0));
  return reason === undefined ? error : new TypeError(`The function's value cannot be turned into JSON: ${reason}`);
}

function reasonOf(value, above, depth) {
  if (typeof value === "bigint") return "it holds a BigInt";
  if (typeof value !== "object" || value === null) return undefined;
  if (WeakSetPrototypeHas(above, value)) return "it is cyclic";
  if (depth > DEEPEST) return "it is nested too deeply";
  WeakSetPrototypeAdd(above, value);
  const keys = ReflectOwnKeys(value);
  for (let index = 0; index < keys.length; index++) {
    if (typeof keys[index] !== "string") continue;
    const reason = reasonOf(value[keys[index]], above, depth + 1);
    if (reason !== undefined) return reason;
  }
  WeakSetPrototypeDelete(above, value);
  return undefined;
}

module.exports = { __proto__: null, describeError, explainUnserializable };
