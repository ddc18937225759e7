// `console`: one line a call, into the console of the invocation that prints.

const { DateNow, ReflectDefineProperty, SymbolToStringTag } = require("./primordials.js");
const { op, sync } = require("./call.js");
const context = require("./context.js");

const LOG = op("console.log");
const WARN = op("console.warn");
const ERROR = op("console.error");
const DEBUG = op("console.debug");

/** How values become lines; an engine that prints most lines itself needs it seldom. */
const lines = () => (loaded ??= require("./lines.js"));
let loaded;

/** The levels by number; the engine has the same numbers. */
const LEVELS = [LOG, WARN, ERROR, DEBUG];

/** Prints `args` at one of the levels above. An engine may take a line of plain values as it is. */
function print(level, args) {
  if (host.print !== undefined && host.print(level, context.get().id, args)) return;
  sync(LEVELS[level], lines().format(args));
}

const counts = { __proto__: null };
const timers = { __proto__: null };

const labelOf = (label) => lines().show(label);

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
    const line = lines().format(args);
    sync(DEBUG, line === "" ? "Trace" : `Trace: ${line}`);
  },
  dir(value) {
    sync(LOG, lines().show(value));
  },
  table(data) {
    sync(LOG, lines().show(data));
  },
  group(...args) {
    if (args.length > 0) sync(LOG, lines().format(args));
  },
  groupCollapsed(...args) {
    if (args.length > 0) sync(LOG, lines().format(args));
  },
  groupEnd() {},
  assert(condition, ...args) {
    if (condition) return;
    const line = lines().format(args);
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
    if (line !== undefined) sync(LOG, args.length > 0 ? `${line} ${lines().format(args)}` : line);
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

module.exports = { __proto__: null, console };
