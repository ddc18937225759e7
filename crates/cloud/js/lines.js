// How the arguments of `console` become one line.

const {
  ArrayIsArray, JSONStringify, ObjectPrototype, ObjectValues, ReflectGetPrototypeOf, StringPrototypeIncludes,
} = require("./primordials.js");

/** Values met before the quick way is given up: it must stay quick on structures that share parts. */
const BUDGET = 10000;
/** Levels before the quick way is given up; what is cyclic ends here too. */
const DEEPEST = 20;

let budget;

const isPlainNumber = (value) => value - value === 0 && (value !== 0 || 1 / value > 0);

/** Whether JSON says all there is to say about `object`. */
function isPlain(object, depth) {
  let items = object;
  if (!ArrayIsArray(object)) {
    const prototype = ReflectGetPrototypeOf(object);
    if (prototype !== ObjectPrototype && prototype !== null) return false;
    // Quicker than one property after the other.
    items = ObjectValues(object);
  }
  const { length } = items;
  budget -= length + 1;
  if (depth > DEEPEST || budget < 0) return false;
  for (let index = 0; index < length; index++) {
    const item = items[index];
    const type = typeof item;
    if (type === "string" || type === "boolean") continue;
    if (type === "number") {
      if (!isPlainNumber(item)) return false;
    } else if (type !== "object" || (item !== null && !isPlain(item, depth + 1))) {
      return false;
    }
  }
  return true;
}

/** One argument as it is printed. */
function show(value) {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      if (isPlainNumber(value)) return `${value}`;
      break;
    case "object":
      if (value === null) return "null";
      try {
        budget = BUDGET;
        if (isPlain(value, 0)) return JSONStringify(value);
      } catch {
        // A getter or a proxy that throws: the readable form says where.
      }
  }
  return require("./inspect.js").inspect(value);
}

/** The arguments as one line. */
function format(args) {
  const { length } = args;
  if (length === 1) return show(args[0]);
  if (length === 0) return "";
  let line;
  let next = 1;
  if (typeof args[0] === "string" && StringPrototypeIncludes(args[0], "%")) {
    ({ line, next } = require("./inspect.js").substitute(args));
  } else {
    line = show(args[0]);
  }
  for (let index = next; index < length; index++) line += ` ${show(args[index])}`;
  return line;
}

module.exports = { __proto__: null, show, format };
