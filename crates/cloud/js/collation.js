// How strings are ordered for people: engines have tables and locales of their own, functions see one
// order, that of normalized text.

const { ReflectDefineProperty, String, StringPrototypeNormalize, TypeError } = require("./primordials.js");

/** `this` as the methods of strings take it. */
function textOf(value) {
  if (value === undefined || value === null) throw new TypeError(`String.prototype.localeCompare called on ${value}`);
  return `${value}`;
}

const { localeCompare } = {
  localeCompare(that) {
    const one = StringPrototypeNormalize(textOf(this));
    const other = StringPrototypeNormalize(`${that}`);
    return one === other ? 0 : one < other ? -1 : 1;
  },
};
ReflectDefineProperty(String.prototype, "localeCompare", { value: localeCompare, writable: true, enumerable: false, configurable: true });
