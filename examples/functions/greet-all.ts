// Calls another function several times at once.
import cloud from "@tandem/cloud";
import type { FunctionContext } from "@tandem/cloud";

export default async function (ctx: FunctionContext) {
  const names: string[] = ctx.body?.names ?? ["Ada", "Grace", "Edsger"];
  const greetings = await Promise.all(names.map((name) => cloud.invoke("hello", { name })));
  return greetings.map((greeting) => greeting.message);
}
