// `cloud.invoke`.

const { JSONStringify, Promise, TypedArrayPrototypeGetLength, TypeError } = require("./primordials.js");
const { begin, op, sync } = require("./call.js");

const CALL = op("invoke.call");
const RESPONSE_HEAD = op("invoke.responseHead");
const RESPONSE_BODY = op("invoke.responseBody");

let last = 0;

/**
 * What the function called `name` returns for `data` as its body. No `async` function: it would
 * make two more promises a call.
 */
function invoke(name, data) {
  return new Promise((resolve, reject) => {
    if (typeof name !== "string") throw new TypeError("cloud.invoke takes the name of a function");
    const number = ++last;
    const answer = (value) => {
      if (value !== undefined) return resolve(value);
      try {
        resolve(responseOf(`${number}`));
      } catch (error) {
        reject(error);
      }
    };
    const { asyncPlain } = host;
    if (asyncPlain !== undefined && begin(CALL, `${number}\0\0${name}`, data, answer, reject, asyncPlain)) return;
    begin(CALL, `${number}\0${JSONStringify(data) ?? ""}\0${name}`, undefined, answer, reject);
  });
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
