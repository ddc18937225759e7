export default async function* ({ a = 1, ...rest }) {
  yield* [a?.b ?? 1, 1_000n ** 2n, /(?<year>\d+)/dv, rest];
  label: for await (const x of []) { continue label; }
  class X { static { this.y = 1; } #p; static async *[Symbol.iterator]() {} }
}
