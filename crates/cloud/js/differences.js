// What only some engine has is taken away, so that a function cannot tell which one it got.

const { ArrayBuffer, Atomics, Error, Function, Iterator, ReflectDeleteProperty, RegExp, SymbolToStringTag, globalThis } = require("./primordials.js");

/** Removes properties that may not be there. */
function remove(holder, names) {
  for (let index = 0; index < names.length; index++) ReflectDeleteProperty(holder, names[index]);
}

remove(globalThis, ["Intl", "WebAssembly", "InternalError", SymbolToStringTag]);
remove(Error, ["prepareStackTrace"]);
remove(Function.prototype, ["columnNumber", "fileName", "lineNumber"]);
remove(Iterator, ["zip", "zipKeyed"]);
remove(Iterator.prototype, ["chunks", "includes", "join", "windows"]);
remove(ArrayBuffer.prototype, ["immutable", "sliceToImmutable", "transferToImmutable"]);
remove(Atomics, ["waitAsync"]);
remove(RegExp, [
  "$_", "$&", "$+", "$`", "$'", "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "input", "lastMatch", "lastParen", "leftContext",
  "rightContext",
]);
