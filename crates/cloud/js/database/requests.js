// Requests of `cloud.database()` to the host. Arguments and options are checked there.

const { async } = require("../call.js");
const { encode, REFUSED } = require("../bson/encode.js");
const { reviveReply } = require("../bson/revive.js");

/** Sends `request` to the operation `id` on behalf of `verb`; resolves to what the host answers. */
async function send(id, verb, request) {
  const { text, bytes } = encoded(verb, request);
  try {
    return await async(id, text, bytes);
  } catch (error) {
    throw require("./write-errors.js").asServerError(error);
  }
}

function encoded(verb, request) {
  try {
    return encode(request);
  } catch (error) {
    throw error === REFUSED ? require("../bson/encode-failure.js").encodeFailure(verb, request) : error;
  }
}

/** The same for answers that hold a value. */
async function ask(id, verb, request) {
  return reviveReply(await send(id, verb, request));
}

module.exports = { __proto__: null, send, ask };
