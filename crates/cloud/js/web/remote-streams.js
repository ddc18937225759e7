// Streams whose other end is the host's: the body of a fetch, an object of a bucket.

const context = require("../context.js");
const { async, op, sync } = require("../call.js");
const { PromisePrototypeThen } = require("../primordials.js");
const core = require("./stream-core.js");

const READ = op("stream.read");
const CANCEL = op("stream.cancel");
const OPEN = op("stream.open");
const WRITE = op("stream.write");
const END = op("stream.end");

/** The internal stream of what the host holds as `id`; nothing is fetched ahead of readers. */
function incoming(id) {
  return core.createStream({
    pull: (stream) =>
      PromisePrototypeThen(async(READ, `${id}`), (chunk) => {
        if (!core.isOpen(stream)) return;
        if (chunk === undefined) core.close(stream);
        else core.enqueue(stream, chunk);
      }),
    cancel: () => sync(CANCEL, `${id}`),
    highWaterMark: 0,
  });
}

/**
 * A way to the host, for an operation that takes `id`: `write` settles when there is room for
 * more, and gives `false` when nobody takes it. What is not ended counts as broken off.
 */
function outgoing() {
  const id = sync(OPEN);
  const invocation = context.get();
  const run = (step) => context.runAs(invocation, step, undefined, []);
  return {
    __proto__: null,
    id,
    write: (bytes) => run(() => async(WRITE, `${id}`, bytes)),
    end: () => run(() => sync(END, `${id}`)),
    abort: () => run(() => sync(CANCEL, `${id}`)),
  };
}

/** Moves everything that `source.read()` gives to the host; settles when it is there or broken off. */
async function pump(source, target) {
  try {
    for (;;) {
      const chunk = await source.read();
      if (chunk === undefined) break;
      if ((await target.write(chunk)) === false) {
        await source.cancel(undefined);
        return;
      }
    }
    target.end();
  } catch (error) {
    target.abort();
    throw error;
  }
}

module.exports = { __proto__: null, incoming, outgoing, pump };
