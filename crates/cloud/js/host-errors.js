// Errors that the host made.

const { Error, WeakMap, WeakMapPrototypeGet, WeakMapPrototypeSet } = require("./primordials.js");

/** Their codes are the host's own word, whatever functions put on theirs. */
const hostErrors = new WeakMap();

/** What an operation's error looks like to a function. */
function toError(message, code) {
  const error = new Error(message);
  error.code = code;
  WeakMapPrototypeSet(hostErrors, error, code);
  return error;
}

/** The code that the host gave an error, whatever it says now; `undefined` for all others. */
function hostCode(error) {
  return WeakMapPrototypeGet(hostErrors, error);
}

module.exports = { __proto__: null, toError, hostCode };
