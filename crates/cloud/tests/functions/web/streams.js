const all = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
};
const of = (...chunks) => new ReadableStream({ start: (controller) => (chunks.forEach((chunk) => controller.enqueue(chunk)), controller.close()) });

is(await new Response(of("a", new Uint8Array([98]))).text(), "ab");
is(await new Response((async function* () { yield "x"; yield "y"; })()).text(), "xy");
let pulls = 0;
is(await all(new ReadableStream({ pull(controller) { controller.enqueue(++pulls); if (pulls === 3) controller.close(); } })), [1, 2, 3]);
const [first, second] = of(1, 2).tee();
is([await all(first), await all(second)], [[1, 2], [1, 2]]);

let reason;
const endless = () => new ReadableStream({ pull: (controller) => controller.enqueue(1), cancel: (given) => (reason = given) });
for await (const chunk of endless()) break;
await endless().cancel("why");
is(reason, "why");
is(await rejected(new ReadableStream({ start: (controller) => controller.error(new RangeError()) }).getReader().read()), "RangeError");
is(await rejected(new Response(new ReadableStream({ pull() { throw new RangeError(); } })).text()), "RangeError");
const locked = new ReadableStream();
const reader = locked.getReader();
const waiting = rejected(reader.read());
is([locked.locked, thrown(() => locked.getReader())], [true, "TypeError"]);
reader.releaseLock();
is([await waiting, await rejected(reader.closed), locked.locked], ["TypeError", "TypeError", false]);
const response = new Response("abc");
is([response.body === response.body, await response.clone().text(), await response.text()], [true, "abc", "abc"]);

const written = [];
await of("a", "b").pipeTo(new WritableStream({ write: (chunk) => void written.push(chunk), close: () => void written.push("end") }));
is(written, ["a", "b", "end"]);
is(await rejected(of(1).pipeTo(new WritableStream({ write() { throw new RangeError(); } }))), "RangeError");
const writer = new WritableStream({ write: async () => null }, { highWaterMark: 2 }).getWriter();
writer.write(1);
writer.write(2);
is(writer.desiredSize, 0);
await writer.ready;
await writer.close();
is(await writer.closed, undefined);
