// How values that JSON cannot say travel: objects whose first key no document can have.
// `src/values.rs` lists them and is the other side.

const { Symbol } = require("../primordials.js");

/** The first key of a tagged object. */
const TAG = "\u0000";

/** The method by which a type of ours gives its tagged object. */
const ENCODE = Symbol("encode");

/** A tagged object with a value. */
const tagged = (name, v) => ({ __proto__: null, [TAG]: name, v });

/** The argument that only the host's own scripts can pass to the constructors of types. */
const TRUSTED = Symbol("trusted");

module.exports = { __proto__: null, TAG, ENCODE, TRUSTED, tagged };
