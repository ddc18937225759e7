interface Body { name?: string }
export default async function hello(ctx: { body: Body }): Promise<string> {
  const name = (ctx.body satisfies Body).name as string | undefined;
  return `Hello, ${name!.trim() ?? "you"}`;
}
