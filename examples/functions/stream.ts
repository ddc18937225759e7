// A reply that is sent while it is made: curl -N …/invoke/stream
export default function () {
  async function* ticks() {
    const encoder = new TextEncoder();
    for (let tick = 1; tick <= 5; tick++) {
      yield encoder.encode(`tick ${tick}\n`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  return new Response(ReadableStream.from(ticks()), { headers: { "content-type": "text/plain" } });
}
