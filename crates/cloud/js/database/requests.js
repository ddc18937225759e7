// Requests of `cloud.database()` to the host. Arguments and options are checked there.

const { Promise, StringPrototypeSlice } = require("../primordials.js");
const { begin } = require("../call.js");
const { encode, NO_HEAD, REFUSED } = require("../bson/encode.js");
const { reviveReply } = require("../bson/revive.js");

/** The head of requests to a collection: what they have in common, written once. */
function headOf(collection, transaction) {
  const { text } = encoded("collection", NO_HEAD, ["collection", collection, "transaction", transaction]);
  return StringPrototypeSlice(text, 0, -1);
}

/**
 * Sends a request to the operation `id` on behalf of `verb`; resolves to what the host answers. `parts` are
 * names and values in turn.
 */
function send(id, verb, head, parts) {
  return new Promise((resolve, reject) => start(id, verb, head, parts, resolve, reject));
}

/** The same for answers that hold a value. */
function ask(id, verb, head, parts) {
  return new Promise((resolve, reject) => start(id, verb, head, parts, reviving(resolve, reject), reject));
}

/** Resolves to the value of an answer. */
function reviving(resolve, reject) {
  return (reply) => {
    try {
      resolve(reviveReply(reply));
    } catch (error) {
      reject(error);
    }
  };
}

/** Sends a request; one of the two callbacks gets what the host answers. Throws where `parts` cannot be encoded. */
function start(id, verb, head, parts, resolve, reject) {
  const failed = (error) => reject(require("./write-errors.js").asServerError(error));
  // An engine may write what is plain itself.
  const { asyncParts } = host;
  if (asyncParts !== undefined && begin(id, head, parts, resolve, failed, asyncParts)) return;
  const { text, bytes } = encoded(verb, head, parts);
  begin(id, text, bytes, resolve, failed);
}

function encoded(verb, head, parts) {
  try {
    return encode(head, parts);
  } catch (error) {
    throw error === REFUSED ? require("../bson/encode-failure.js").encodeFailure(verb, parts) : error;
  }
}

module.exports = { __proto__: null, NO_HEAD, headOf, send, ask, start, reviving };
