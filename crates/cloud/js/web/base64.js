// atob and btoa.

const { op, sync } = require("../call.js");
const { need } = require("./class.js");

const ENCODE = op("base64.encode");
const DECODE = op("base64.decode");

function invalid(message) {
  const { DOMException } = require("./dom-exception.js");
  return new DOMException(message, "InvalidCharacterError");
}

const { atob, btoa } = {
  atob(data) {
    need(1, arguments.length, "atob");
    const text = sync(DECODE, `${data}`);
    if (text === undefined) throw invalid("atob: the string is not correctly encoded");
    return text;
  },
  btoa(data) {
    need(1, arguments.length, "btoa");
    const text = sync(ENCODE, `${data}`);
    if (text === undefined) throw invalid("btoa: the string holds characters outside of Latin-1");
    return text;
  },
};

module.exports = { __proto__: null, atob, btoa };
