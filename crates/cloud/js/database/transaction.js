// `withTransaction`: runs a callback until its transaction is committed.

const { MathRandom, Promise, TypeError } = require("../primordials.js");
const { async, op } = require("../call.js");
const { hostCode } = require("../host-errors.js");
const { schedule } = require("../schedule.js");
const { restore, save } = require("../context.js");

const BEGIN = op("documents.begin");
const COMMIT = op("documents.commit");
const ABORT = op("documents.abort");

/** How often a transaction that lost against another is tried again. */
const RETRIES = 10;

/** What the callback returned, once committed; `open` makes the database of a transaction. */
async function withTransaction(callback, open) {
  if (typeof callback !== "function") throw new TypeError("withTransaction takes a function");
  const token = save();
  for (let attempt = 0; ; attempt++) {
    let handle;
    try {
      handle = restore(token, await async(BEGIN));
      const result = restore(token, await callback(open(handle)));
      await async(COMMIT, `${handle}`);
      return result;
    } catch (error) {
      restore(token);
      if (handle !== undefined) await abort(handle);
      if (hostCode(error) !== "CONFLICT" || attempt === RETRIES) throw error;
    }
    restore(token);
    await pause(2 ** attempt * (1 + MathRandom()));
    restore(token);
  }
}

/** The error of the callback says more than one of the abort would. */
async function abort(handle) {
  try {
    await async(ABORT, `${handle}`);
  } catch {
    // The store aborts what is left open.
  }
}

/** Transactions that lost at the same time must not meet again. */
function pause(milliseconds) {
  return new Promise((resolve) => schedule(milliseconds, resolve));
}

module.exports = { __proto__: null, withTransaction };
