// Event and EventTarget, without a tree: an event reaches one target.

const { ArrayPrototypePush, ArrayPrototypeSlice, ArrayPrototypeSplice, DateNow, ReflectApply, TypeError } = require("../primordials.js");
const { op, sync } = require("../call.js");
const { dictionary, need, tag } = require("./class.js");

const LOG_ERROR = op("console.error");

let begin;
let end;
let isStopped;
let isDispatching;

class Event {
  #type;
  #bubbles;
  #cancelable;
  #composed;
  #timeStamp = DateNow() - require("./time-origin.js").timeOrigin;
  #target = null;
  #dispatching = false;
  #stopped = false;
  #immediatelyStopped = false;
  #prevented = false;
  #passive = false;

  static {
    begin = (event, target, passive) => {
      event.#target = target;
      event.#dispatching = true;
      event.#passive = passive;
    };
    end = (event) => {
      event.#dispatching = false;
      event.#stopped = false;
      event.#immediatelyStopped = false;
      event.#passive = false;
    };
    isStopped = (event) => event.#immediatelyStopped;
    isDispatching = (event) => event.#dispatching;
  }

  constructor(type, options = undefined) {
    need(1, arguments.length, "Event");
    const { bubbles, cancelable, composed } = dictionary(options, "Event");
    this.#type = `${type}`;
    this.#bubbles = !!bubbles;
    this.#cancelable = !!cancelable;
    this.#composed = !!composed;
  }

  get type() {
    return this.#type;
  }

  get target() {
    return this.#target;
  }

  get srcElement() {
    return this.#target;
  }

  get currentTarget() {
    return this.#dispatching ? this.#target : null;
  }

  get eventPhase() {
    return this.#dispatching ? 2 : 0;
  }

  get bubbles() {
    return this.#bubbles;
  }

  get cancelable() {
    return this.#cancelable;
  }

  get composed() {
    return this.#composed;
  }

  get defaultPrevented() {
    return this.#prevented;
  }

  get isTrusted() {
    return false;
  }

  get timeStamp() {
    return this.#timeStamp;
  }

  get cancelBubble() {
    return this.#stopped;
  }

  set cancelBubble(value) {
    if (value) this.#stopped = true;
  }

  get returnValue() {
    return !this.#prevented;
  }

  set returnValue(value) {
    if (!value) this.preventDefault();
  }

  composedPath() {
    return this.#dispatching ? [this.#target] : [];
  }

  preventDefault() {
    if (this.#cancelable && !this.#passive) this.#prevented = true;
  }

  stopPropagation() {
    this.#stopped = true;
  }

  stopImmediatePropagation() {
    this.#stopped = true;
    this.#immediatelyStopped = true;
  }
}
tag(Event, "Event");

let addInternal;

class EventTarget {
  #listeners = [];

  static {
    addInternal = (target, type, callback) => {
      const listener = { __proto__: null, type, callback, capture: false, once: true, passive: false, removed: false };
      ArrayPrototypePush(target.#listeners, listener);
      return () => target.#remove(listener);
    };
  }

  addEventListener(type, callback, options = undefined) {
    need(2, arguments.length, "EventTarget.addEventListener");
    const name = `${type}`;
    const object = typeof options === "object" && options !== null;
    const { once, passive, signal } = object ? options : { __proto__: null };
    const capture = object ? !!options.capture : !!options;
    if (callback === null || callback === undefined) return;
    if (typeof callback !== "function" && typeof callback !== "object") {
      throw new TypeError("EventTarget.addEventListener: a listener must be a function or an object with handleEvent");
    }
    if (signal?.aborted || this.#find(name, callback, capture) >= 0) return;
    const listener = { __proto__: null, type: name, callback, capture, once: !!once, passive: !!passive, removed: false };
    ArrayPrototypePush(this.#listeners, listener);
    if (signal !== undefined) addInternal(signal, "abort", () => this.#remove(listener));
  }

  removeEventListener(type, callback, options = undefined) {
    need(2, arguments.length, "EventTarget.removeEventListener");
    const capture = typeof options === "object" && options !== null ? !!options.capture : !!options;
    const index = this.#find(`${type}`, callback, capture);
    if (index >= 0) this.#remove(this.#listeners[index]);
  }

  dispatchEvent(event) {
    need(1, arguments.length, "EventTarget.dispatchEvent");
    if (isDispatching(event)) {
      const { DOMException } = require("./dom-exception.js");
      throw new DOMException("EventTarget.dispatchEvent: the event is being dispatched already", "InvalidStateError");
    }
    const listeners = ArrayPrototypeSlice(this.#listeners);
    for (let index = 0; index < listeners.length && !isStopped(event); index++) {
      const listener = listeners[index];
      if (listener.removed || listener.type !== event.type) continue;
      if (listener.once) this.#remove(listener);
      begin(event, this, listener.passive);
      call(listener.callback, this, event);
    }
    end(event);
    return !event.defaultPrevented;
  }

  #find(type, callback, capture) {
    for (let index = 0; index < this.#listeners.length; index++) {
      const listener = this.#listeners[index];
      if (listener.type === type && listener.callback === callback && listener.capture === capture) return index;
    }
    return -1;
  }

  #remove(listener) {
    listener.removed = true;
    for (let index = 0; index < this.#listeners.length; index++) {
      if (this.#listeners[index] === listener) return void ArrayPrototypeSplice(this.#listeners, index, 1);
    }
  }
}
tag(EventTarget, "EventTarget");

/** A listener that throws must not keep the event from the others: its error is reported. */
function call(callback, target, event) {
  try {
    if (typeof callback === "function") ReflectApply(callback, target, [event]);
    else callback.handleEvent(event);
  } catch (error) {
    const { describeError } = require("../failure.js");
    sync(LOG_ERROR, `Uncaught ${host.original(describeError(error).stack)}`);
  }
}

/** Gives a class an `on…` property that holds one listener. */
function handlerOf(target, type) {
  let handler = null;
  target.addEventListener(type, (event) => handler !== null && ReflectApply(handler, target, [event]));
  return {
    __proto__: null,
    get: () => handler,
    set: (value) => (handler = typeof value === "function" ? value : null),
  };
}

module.exports = { __proto__: null, Event, EventTarget, addInternal, handlerOf };
