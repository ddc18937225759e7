const encoder = new TextEncoder();
is(new TextDecoder().decode(encoder.encode("aé€𝄞\ud800")), "aé€𝄞\ufffd");
is(encoder.encodeInto("a€𝄞", new Uint8Array(5)), { read: 2, written: 4 });
is(encoder.encodeInto("𝄞x", new Uint8Array(3)), { read: 0, written: 0 });
is(encoder.encodeInto("ab𝄞", new Uint8Array(6)), { read: 4, written: 6 });

const streamed = (label, bytes) => {
  const decoder = new TextDecoder(label);
  let text = "";
  for (const byte of bytes) text += decoder.decode(new Uint8Array([byte]), { stream: true });
  return text + decoder.decode();
};
is(streamed("utf-8", encoder.encode("\ufeffaé€𝄞\ufeff")), "aé€𝄞\ufeff");
is(streamed("utf-8", [0x61, 0xf0, 0x9f]), "a\ufffd");
is(streamed("utf-16le", [0x61, 0, 0x34, 0xd8, 0x1e, 0xdd]), "a𝄞");
is(streamed("shift_jis", [0x82, 0xa0]), "あ");
is([new TextDecoder("latin1").encoding, new TextDecoder("UTF8").encoding], ["windows-1252", "utf-8"]);
is(thrown(() => new TextDecoder("nope")), "RangeError");
is(thrown(() => new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255]))), "TypeError");
is(new TextDecoder("utf-8", { ignoreBOM: true }).decode(encoder.encode("\ufeffa")), "\ufeffa");
is(new TextDecoder().decode(new DataView(encoder.encode("xabc").buffer, 1, 2)), "ab");

is(atob(btoa("hi\xff")), "hi\xff");
is(atob(" YQ\n"), "a");
is([thrown(() => btoa("€")), thrown(() => atob("a")), thrown(() => btoa())], ["InvalidCharacterError", "InvalidCharacterError", "TypeError"]);

is(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()), true);
is(crypto.getRandomValues(new Uint32Array(8)).some((value) => value > 0xffff), true);
is(thrown(() => crypto.getRandomValues(new Uint8Array(65537))), "QuotaExceededError");
is(thrown(() => crypto.getRandomValues(new Float64Array(1))), "TypeMismatchError");
const digest = new Uint8Array(await crypto.subtle.digest("sha-256", encoder.encode("abc")));
is([digest.length, digest[0], digest[31]], [32, 0xba, 0xad]);
is((await crypto.subtle.digest({ name: "SHA-512" }, new ArrayBuffer(0))).byteLength, 64);
is(await rejected(crypto.subtle.digest("MD5", digest)), "NotSupportedError");

const before = performance.now();
is([before >= 0, performance.now() >= before, performance.timeOrigin + before <= Date.now() + 1000], [true, true, true]);
