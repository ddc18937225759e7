// What the language leaves to an engine's own tables: locales, names of time zones. Every engine
// knows one locale, which is neutral, and prints times alike. An engine that does so by itself says
// `host.isNeutral`.

const {
  BigInt, BigIntPrototypeToString, Date, DatePrototypeGetDate, DatePrototypeGetFullYear, DatePrototypeGetHours, DatePrototypeGetMinutes,
  DatePrototypeGetMonth, DatePrototypeGetSeconds, DatePrototypeGetTime, DatePrototypeToString, DatePrototypeToTimeString, Number,
  NumberPrototypeToString, ReflectDefineProperty, ReflectOwnKeys, String, StringPrototypeIndexOf, StringPrototypePadStart,
  StringPrototypeSlice, StringPrototypeToLowerCase, StringPrototypeToUpperCase, TypeError,
} = require("./primordials.js");

/** Puts the methods of `source` in the place of those that the engine has. */
function replace(prototype, source) {
  const names = ReflectOwnKeys(source);
  for (let index = 0; index < names.length; index++) {
    ReflectDefineProperty(prototype, names[index], { value: source[names[index]], writable: true, enumerable: false, configurable: true });
  }
}

const digits = (number, count = 2) => StringPrototypePadStart(`${number}`, count, "0");

function dateOf(date) {
  const year = DatePrototypeGetFullYear(date);
  return `${digits(DatePrototypeGetMonth(date) + 1)}/${digits(DatePrototypeGetDate(date))}/${year < 0 ? "-" : ""}${digits(year < 0 ? -year : year, 4)}`;
}

function timeOf(date) {
  const hours = DatePrototypeGetHours(date);
  return `${digits(hours % 12 || 12)}:${digits(DatePrototypeGetMinutes(date))}:${digits(DatePrototypeGetSeconds(date))} ${hours < 12 ? "AM" : "PM"}`;
}

/** Without the name of the zone, which engines have from tables of their own. */
function withoutZone(text) {
  const zone = StringPrototypeIndexOf(text, " (");
  return zone < 0 ? text : StringPrototypeSlice(text, 0, zone);
}

const isInvalid = (date) => {
  const time = DatePrototypeGetTime(date);
  return time !== time;
};

replace(Date.prototype, {
  toString() {
    return withoutZone(DatePrototypeToString(this));
  },
  toTimeString() {
    return withoutZone(DatePrototypeToTimeString(this));
  },
  toLocaleString() {
    return isInvalid(this) ? "Invalid Date" : `${dateOf(this)}, ${timeOf(this)}`;
  },
  toLocaleDateString() {
    return isInvalid(this) ? "Invalid Date" : dateOf(this);
  },
  toLocaleTimeString() {
    return isInvalid(this) ? "Invalid Date" : timeOf(this);
  },
});

replace(Number.prototype, {
  toLocaleString() {
    return NumberPrototypeToString(this);
  },
});

replace(BigInt.prototype, {
  toLocaleString() {
    return BigIntPrototypeToString(this);
  },
});

/** `this` as the methods of strings take it. */
function textOf(value, method) {
  if (value === undefined || value === null) throw new TypeError(`String.prototype.${method} called on ${value}`);
  return `${value}`;
}

replace(String.prototype, {
  toLocaleUpperCase() {
    return StringPrototypeToUpperCase(textOf(this, "toLocaleUpperCase"));
  },
  toLocaleLowerCase() {
    return StringPrototypeToLowerCase(textOf(this, "toLocaleLowerCase"));
  },
});
