// `cloud.invoke`.

const { JSONStringify, StringPrototypeIncludes, TypedArrayPrototypeGetLength, TypeError } = require("./primordials.js");
const { async, op, sync } = require("./call.js");
const { restore, save } = require("./context.js");

const CALL = op("invoke.call");
const RESPONSE_HEAD = op("invoke.responseHead");
const RESPONSE_BODY = op("invoke.responseBody");

let last = 0;

/** What the function called `name` returns for `data` as its body. */
async function invoke(name, data) {
  if (typeof name !== "string" || StringPrototypeIncludes(name, "\0")) throw new TypeError("cloud.invoke takes the name of a function");
  const token = save();
  const number = ++last;
  const json = JSONStringify(data);
  const value = await async(CALL, json === undefined ? `${number}\0${name}` : `${number}\0${name}\0${json}`);
  if (value !== undefined) return value;
  restore(token);
  return responseOf(`${number}`);
}

/** The `Response` that the function returned: the host gives `undefined` for it and keeps it. */
function responseOf(number) {
  const { status, headers } = sync(RESPONSE_HEAD, number);
  const body = sync(RESPONSE_BODY, number);
  const { Response } = require("./web/response.js");
  // Some statuses allow no body, not even an empty one.
  return new Response(TypedArrayPrototypeGetLength(body) === 0 ? null : body, { __proto__: null, status, headers });
}

module.exports = { __proto__: null, invoke };
