// `console`: one line a call, into the console of the invocation that prints.

const {
  ArrayIsArray, DateNow, JSONStringify, ObjectPrototype, ObjectValues, ReflectDefineProperty, ReflectGetPrototypeOf,
  StringPrototypeIncludes, SymbolToStringTag,
} = require("./primordials.js");
const { op, sync } = require("./call.js");
const context = require("./context.js");

const LOG = op("console.log");
const WARN = op("console.warn");
const ERROR = op("console.error");
const DEBUG = op("console.debug");

/** The levels by number; the engine has the same numbers. */
const LEVELS = [LOG, WARN, ERROR, DEBUG];

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

/** Prints `args` at one of the levels above. An engine may take a line of plain values as it is. */
function print(level, args) {
  if (host.print !== undefined && host.print(level, context.get().id, args)) return;
  sync(LEVELS[level], format(args));
}

const counts = { __proto__: null };
const timers = { __proto__: null };

const labelOf = (label) => show(label);

function elapsed(label) {
  const start = timers[label];
  return start === undefined ? undefined : `${label}: ${DateNow() - start}ms`;
}

const console = {
  log(...args) {
    print(0, args);
  },
  info(...args) {
    print(0, args);
  },
  warn(...args) {
    print(1, args);
  },
  error(...args) {
    print(2, args);
  },
  debug(...args) {
    print(3, args);
  },
  trace(...args) {
    const line = format(args);
    sync(DEBUG, line === "" ? "Trace" : `Trace: ${line}`);
  },
  dir(value) {
    sync(LOG, show(value));
  },
  table(data) {
    sync(LOG, show(data));
  },
  group(...args) {
    if (args.length > 0) sync(LOG, format(args));
  },
  groupCollapsed(...args) {
    if (args.length > 0) sync(LOG, format(args));
  },
  groupEnd() {},
  assert(condition, ...args) {
    if (condition) return;
    const line = format(args);
    sync(ERROR, line === "" ? "Assertion failed" : `Assertion failed: ${line}`);
  },
  count(label = "default") {
    const name = labelOf(label);
    counts[name] = (counts[name] ?? 0) + 1;
    sync(LOG, `${name}: ${counts[name]}`);
  },
  countReset(label = "default") {
    delete counts[labelOf(label)];
  },
  time(label = "default") {
    timers[labelOf(label)] = DateNow();
  },
  timeLog(label = "default", ...args) {
    const line = elapsed(labelOf(label));
    if (line !== undefined) sync(LOG, args.length > 0 ? `${line} ${format(args)}` : line);
  },
  timeEnd(label = "default") {
    const name = labelOf(label);
    const line = elapsed(name);
    delete timers[name];
    if (line !== undefined) sync(LOG, line);
  },
  clear() {},
};
ReflectDefineProperty(console, SymbolToStringTag, { value: "console", configurable: true });

module.exports = { __proto__: null, console, show };
