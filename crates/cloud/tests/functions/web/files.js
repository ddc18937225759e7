const code = async (promise) => promise.then(() => "no error", (error) => error.code);
const bucket = cloud.storage.bucket();
const key = "/a b+%#?/../é";
const written = await bucket.writeFile(key, "hé", { contentType: "text/x", metadata: { K: "v" } });
is([written.key, written.size, written.contentType, written.lastModified instanceof Date], [key, 3, "text/x", true]);
const file = await bucket.readFile(key);
is([file instanceof Uint8Array, file.length, file.text(), file.slice(0, 1).constructor === Uint8Array], [true, 3, "hé", true]);
await bucket.writeFile("json", new TextEncoder().encode('{"a":1}').buffer);
is((await bucket.readFile("json")).json(), { a: 1 });
is((await bucket.stat(key)).metadata, { k: "v" });
is([await bucket.exists(key), await bucket.exists("none")], [true, false]);
is([await code(bucket.readFile("none")), await code(bucket.stat("none")), await code(bucket.copyFile("none", "x"))], ["NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]);
is([await code(bucket.readFile(5)), await code(bucket.writeFile("k", {})), await code(bucket.readFile("\ud800"))], ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]);
is([await code(bucket.getUploadUrl("k", 0)), await code(bucket.getUploadUrl("k", 604801)), await code(bucket.getUploadUrl("k", "1"))], ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]);
is(await cloud.storage.bucket("other").readFile("k").catch((error) => [error.code, error.message.includes("other")]), ["FORBIDDEN", true]);
is(await code(bucket.writeFile(key, "x", { ifNoneMatch: "*" })), "CONFLICT");
await bucket.writeFile(key, "y", { ifMatch: written.etag });
await bucket.deleteFile(key);
await bucket.deleteFile(key);

for (let index = 0; index < 5; index++) await bucket.writeFile(`list/${index}`, "x");
const page = await bucket.listFiles({ prefix: "list/", limit: 2 });
is(page.map((entry) => entry.key), ["list/0", "list/1"]);
is((await bucket.listFiles({ prefix: "list/", cursor: page.cursor })).length, 3);
const folded = await bucket.listFiles({ delimiter: "/" });
is([folded.map((entry) => entry.key), folded.prefixes, folded.cursor], [["json"], ["list/"], undefined]);

const large = new Uint8Array(700_000).map((_, index) => index % 251);
await bucket.writeFile("large", large);
let size = 0;
for await (const chunk of await bucket.readStream("large", { start: 100, end: 600_100 })) {
  is([chunk.length <= 262_144, chunk[0]], [true, (100 + size) % 251]);
  size += chunk.length;
}
is(size, 600_000);
is(await code(bucket.readStream("none")), "NOT_FOUND");
async function* pieces() {
  yield "ab";
  await new Promise((resolve) => setTimeout(resolve, 1));
  yield new Uint8Array([99]);
}
is([(await bucket.writeStream("piped", pieces())).size, (await bucket.readFile("piped")).text()], [3, "abc"]);
await (await bucket.readStream("large")).pipeTo(bucket.writeStream("copied"));
is((await bucket.stat("copied")).size, 700_000);
async function* broken() {
  yield "a";
  throw new RangeError("mine");
}
is([await rejected(bucket.writeStream("broken", broken())), await bucket.exists("broken")], ["RangeError", false]);
is(await code(bucket.writeStream("piped", pieces(), { ifNoneMatch: "*" })), "CONFLICT");
await bucket.deleteFiles((await bucket.listFiles()).map((entry) => entry.key));
is((await bucket.listFiles()).length, 0);
