// Buffers keep the length that they were made with. An engine reserves and grows the memory of
// others by itself, where no limit of ours sees it. Shared ones are for threads, which there are none of.

const {
  ArrayBuffer, ReflectConstruct, ReflectDefineProperty, ReflectDeleteProperty, ReflectGetOwnPropertyDescriptor, ReflectOwnKeys, TypeError,
  globalThis,
} = require("./primordials.js");

/** The constructor without its options; all else of it is that of the engine's. */
const replacement = function (length) {
  if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
  return ReflectConstruct(ArrayBuffer, [length], new.target);
};
for (const key of ReflectOwnKeys(ArrayBuffer)) {
  ReflectDefineProperty(replacement, key, ReflectGetOwnPropertyDescriptor(ArrayBuffer, key));
}
const { prototype } = ArrayBuffer;
for (const name of ["maxByteLength", "resizable", "resize"]) ReflectDeleteProperty(prototype, name);
ReflectDefineProperty(prototype, "constructor", { value: replacement, writable: true, enumerable: false, configurable: true });
ReflectDeleteProperty(globalThis, "SharedArrayBuffer");
ReflectDefineProperty(globalThis, "ArrayBuffer", { value: replacement, writable: true, enumerable: false, configurable: true });
