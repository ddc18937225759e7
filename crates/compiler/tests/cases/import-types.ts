import type { A } from "./types";
import { type B, value } from "@/values";
import { C } from "./only-used-as-a-type";
import cloud, * as all from "@tandem/cloud";
export type { A } from "./types";
export { helper } from "@/helper";
export * from "@/star";
export default async (b: B, c: C) => [value, all, await import("@/dynamic"), import(`@/template`), import("@/" + b)];
