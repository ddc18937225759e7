// cloud.sql`…`: a statement whose values are bound, never pasted into the text.

const { ArrayIsArray, TypeError } = require("../primordials.js");
const { op } = require("../call.js");
const { NO_HEAD, ask } = require("./requests.js");

const SQL = op("documents.sql");

async function sql(strings, ...values) {
  if (!ArrayIsArray(strings) || !ArrayIsArray(strings.raw)) throw new TypeError("cloud.sql is a template tag: cloud.sql`SELECT … WHERE a = ${value}`");
  // The host writes the parameters as the backend does.
  return ask(SQL, "sql", NO_HEAD, ["parts", strings, "parameters", values]);
}

module.exports = { __proto__: null, sql };
