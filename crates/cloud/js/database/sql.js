// cloud.sql`…`: a statement whose values are bound, never pasted into the text.

const { ArrayIsArray, ArrayPrototypePush, TypeError } = require("../primordials.js");
const { op } = require("../call.js");
const { ask } = require("./requests.js");

const SQL = op("documents.sql");

async function sql(strings, ...values) {
  if (!ArrayIsArray(strings) || !ArrayIsArray(strings.raw)) throw new TypeError("cloud.sql is a template tag: cloud.sql`SELECT … WHERE a = ${value}`");
  let text = strings[0];
  const parameters = [];
  for (let index = 0; index < values.length; index++) {
    text += `$${index + 1}${strings[index + 1]}`;
    ArrayPrototypePush(parameters, values[index]);
  }
  return ask(SQL, "sql", { __proto__: null, text, parameters });
}

module.exports = { __proto__: null, sql };
