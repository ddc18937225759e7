// fetch. What may be reached, redirects and the wire are the host's.

const { JSONStringify, Promise, PromisePrototypeThen, TypeError } = require("../primordials.js");
const { async, ignoreRejection, op, sync } = require("../call.js");
const context = require("../context.js");
const { consume } = require("./body.js");
const { encode } = require("./encoding.js");
const { freeze, headersFrom, listOf } = require("./headers.js");
const { Request, partsOf } = require("./request.js");
const { makeResponse, partsWith } = require("./response.js");

const SEND = op("fetch.send");
const ABORT = op("fetch.abort");

let lastCall = 0;

/** Fetch tells of every failure with a TypeError; those that are not the network's have a code. */
function networkError(error) {
  const wrapped = new TypeError(error.message);
  if (error.code !== "FUNCTION_ERROR") wrapped.code = error.code;
  return wrapped;
}

/** Everything that a request's body takes: the bytes at once, or a stream and who fills it. */
function outgoingBody(body) {
  if (body === null) return { __proto__: null, bytes: undefined, stream: null, start: undefined };
  const content = consume(body, "fetch");
  if (typeof content === "string") return { __proto__: null, bytes: encode(content), stream: null, start: undefined };
  if (content.read === undefined) return { __proto__: null, bytes: content, stream: null, start: undefined };
  const { outgoing, pump } = require("./remote-streams.js");
  const target = outgoing();
  return { __proto__: null, bytes: undefined, stream: target.id, start: () => pump(content, target) };
}

function responseOf(head, signal) {
  const parts = partsWith(head.status, head.statusText, freeze(headersFrom(head.headers)));
  parts.type = head.opaque ? "opaqueredirect" : "basic";
  parts.url = head.url;
  parts.redirected = head.redirected;
  if (head.stream !== null) {
    const core = require("./stream-core.js");
    const { wrap } = require("./streams.js");
    const stream = require("./remote-streams.js").incoming(head.stream);
    parts.body = { __proto__: null, source: undefined, stream: wrap(stream), used: false };
    if (signal !== undefined) stopOn(signal, stream, core);
  }
  return makeResponse(parts);
}

function stopOn(signal, stream, core) {
  require("./abort.js").whenAborted(signal, (reason) => {
    if (stream.state !== "readable") return;
    const { cancel } = stream;
    core.fail(stream, reason);
    context.runAs(stream.invocation, cancel, undefined, []);
  });
}

function send(request, resolve, reject) {
  const invocation = context.get();
  const { method, url, headers, redirect, signal, body } = partsOf(request);
  if (signal?.aborted) throw signal.reason;
  const call = ++lastCall;
  const { bytes, stream, start } = outgoingBody(body);
  const text = JSONStringify({ __proto__: null, call, method, url, headers: listOf(headers), redirect, stream });
  const forget = signal === undefined ? undefined : require("./abort.js").whenAborted(signal, (reason) => {
    reject(reason);
    context.runAs(invocation, sync, undefined, [ABORT, `${call}`]);
  });
  PromisePrototypeThen(
    async(SEND, text, bytes),
    (head) => {
      forget?.();
      context.runAs(invocation, () => resolve(responseOf(head, signal)), undefined, []);
    },
    (error) => {
      forget?.();
      reject(networkError(error));
    },
  );
  // What the body's own source throws is the reason that fetch gives, not the broken transfer.
  if (start !== undefined) ignoreRejection(PromisePrototypeThen(start(), undefined, reject));
}

const { fetch } = {
  /** @returns {Promise<Response>} */
  fetch(input, init = undefined) {
    return new Promise((resolve, reject) => send(new Request(input, init), resolve, reject));
  },
};

module.exports = { __proto__: null, fetch };
