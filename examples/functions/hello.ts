// The smallest useful function: one log line, one object back.
import type { FunctionContext } from "@tandem/cloud";

export default async function (ctx: FunctionContext) {
  const name = ctx.body?.name ?? ctx.query.name ?? "world";
  console.log("hello from", name);
  return { message: `Hello, ${name}!` };
}
