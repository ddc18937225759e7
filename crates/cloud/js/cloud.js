// The `cloud` object. What it is made of loads when it is first used.

const { ObjectFreeze } = require("./primordials.js");
const { op, sync } = require("./call.js");
const { defineTypes } = require("./types.js");

const ENV = op("env.get");

let env;

const cloud = {
  invoke(name, data) {
    return require("./invoke.js").invoke(name, data);
  },
  get env() {
    return (env ??= ObjectFreeze(sync(ENV)));
  },
  get storage() {
    return require("./storage.js").storage;
  },
  database() {
    return require("./database.js").database;
  },
  sql(strings, ...values) {
    return require("./database/sql.js").sql(strings, ...values);
  },
};
defineTypes(cloud);

module.exports = ObjectFreeze(cloud);
