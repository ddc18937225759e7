// `performance`: a clock that only goes forward, from the start of the isolate.

const { DateNow } = require("../primordials.js");
const { op, sync } = require("../call.js");
const { illegal, tag } = require("./class.js");
const { timeOrigin } = require("./time-origin.js");

const NOW = op("performance.now");

/** What the host's clock reads at the time origin, in its own milliseconds. */
const zero = sync(NOW) - (DateNow() - timeOrigin);

class Performance {
  #genuine = true;

  constructor(key) {
    if (key !== illegal) throw illegal("Performance");
  }

  get timeOrigin() {
    this.#genuine;
    return timeOrigin;
  }

  now() {
    this.#genuine;
    return sync(NOW) - zero;
  }

  toJSON() {
    return { timeOrigin: this.timeOrigin };
  }
}
tag(Performance, "Performance");

module.exports = { __proto__: null, performance: new Performance(illegal) };
