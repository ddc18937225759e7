// Timers of one invocation; they end with it.

const { MathTrunc, ReflectApply, TypeError } = require("./primordials.js");
const { schedule, cancel } = require("./schedule.js");
const context = require("./context.js");

/** The longest delay, as browsers have it: longer ones fire at once. */
const LONGEST = 2 ** 31 - 1;

let lastId = 0;

function delayOf(value) {
  const milliseconds = MathTrunc(+value);
  return milliseconds >= 1 && milliseconds <= LONGEST ? milliseconds : 1;
}

function start(callback, delay, args, repeat) {
  if (typeof callback !== "function") throw new TypeError("A timer's callback must be a function");
  const invocation = context.get();
  const timers = (invocation.timers ??= { __proto__: null });
  const id = ++lastId;
  const milliseconds = delayOf(delay);
  const fire = () => {
    if (repeat) timers[id] = schedule(milliseconds, fire);
    else delete timers[id];
    ReflectApply(callback, undefined, args);
  };
  timers[id] = schedule(milliseconds, fire);
  return id;
}

function stop(id) {
  const { timers } = context.get();
  const key = typeof id === "number" ? id : MathTrunc(+id);
  if (timers === undefined || timers[key] === undefined) return;
  cancel(timers[key]);
  delete timers[key];
}

module.exports = {
  __proto__: null,
  setTimeout(callback, delay = 0, ...args) {
    return start(callback, delay, args, false);
  },
  setInterval(callback, delay = 0, ...args) {
    return start(callback, delay, args, true);
  },
  clearTimeout(id) {
    stop(id);
  },
  clearInterval(id) {
    stop(id);
  },
};
