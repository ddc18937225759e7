// AbortController and AbortSignal.

const { ArrayPrototypePush, TypeError } = require("../primordials.js");
const { schedule } = require("../schedule.js");
const { illegal, need, tag } = require("./class.js");
const { DOMException } = require("./dom-exception.js");
const { Event, EventTarget, handlerOf } = require("./events.js");

/** The longest delay of a timer, as for `setTimeout`. */
const LONGEST = 2 ** 31 - 1;

let abort;
let isSignal;
let whenAborted;

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  #onabort;
  #algorithms = [];

  static {
    isSignal = (value) => typeof value === "object" && value !== null && #aborted in value;

    abort = (signal, reason) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
      const algorithms = signal.#algorithms;
      signal.#algorithms = [];
      for (let index = 0; index < algorithms.length; index++) algorithms[index]?.(signal.#reason);
      signal.dispatchEvent(new Event("abort"));
    };

    /** Runs `callback` with the reason when the signal aborts; returns what takes it back. */
    whenAborted = (signal, callback) => {
      const { length } = signal.#algorithms;
      ArrayPrototypePush(signal.#algorithms, callback);
      return () => {
        if (signal.#algorithms[length] === callback) signal.#algorithms[length] = undefined;
      };
    };
  }

  constructor(key) {
    if (key !== illegal) throw illegal("AbortSignal");
    super();
  }

  static abort(reason = undefined) {
    const signal = new AbortSignal(illegal);
    abort(signal, reason);
    return signal;
  }

  static timeout(milliseconds) {
    need(1, arguments.length, "AbortSignal.timeout");
    const delay = +milliseconds;
    if (!(delay >= 0 && delay <= 2 ** 53 - 1)) {
      throw new TypeError("AbortSignal.timeout: the time must be a number of milliseconds, 0 or more");
    }
    const signal = new AbortSignal(illegal);
    const expire = () => abort(signal, new DOMException("The operation was aborted due to timeout", "TimeoutError"));
    schedule(delay > LONGEST ? LONGEST : delay, expire);
    return signal;
  }

  static any(signals) {
    need(1, arguments.length, "AbortSignal.any");
    const sources = [];
    for (const source of signals) {
      if (!isSignal(source)) throw new TypeError("AbortSignal.any: expected an iterable of AbortSignals");
      ArrayPrototypePush(sources, source);
    }
    const signal = new AbortSignal(illegal);
    for (let index = 0; index < sources.length; index++) {
      if (sources[index].#aborted) {
        abort(signal, sources[index].#reason);
        return signal;
      }
    }
    for (let index = 0; index < sources.length; index++) whenAborted(sources[index], (reason) => abort(signal, reason));
    return signal;
  }

  get aborted() {
    return this.#aborted;
  }

  get reason() {
    return this.#reason;
  }

  get onabort() {
    return this.#onabort?.get() ?? null;
  }

  set onabort(value) {
    this.#onabort ??= handlerOf(this, "abort");
    this.#onabort.set(value);
  }

  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
}
tag(AbortSignal, "AbortSignal");

class AbortController {
  #signal = new AbortSignal(illegal);

  get signal() {
    return this.#signal;
  }

  abort(reason = undefined) {
    abort(this.#signal, reason);
  }
}
tag(AbortController, "AbortController");

module.exports = { __proto__: null, AbortController, AbortSignal, isSignal, whenAborted };
