import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parsePlan } from "@fedloop/coordinator";
import { simulatePlan, type VirtualSimulation } from "@fedloop/coordinator/simulation";
import { repository } from "./surroundings.js";

/** Why tests on Fashion-MNIST are skipped; false where they run. */
export const withoutFashion: string | false = existsSync("/usr/share/datasets/fashion-mnist")
  ? false
  : "needs Fashion-MNIST: apt-get install dataset-fashion-mnist";

/** The example's plan, with some of its lines changed. */
export async function fashion(change: (plan: string) => string, threads: number): Promise<VirtualSimulation> {
  const folder = join(repository, "examples", "fashion");
  const loaded = await parsePlan("plan.yaml", change(readFileSync(join(folder, "plan.yaml"), "utf8")), folder);
  return simulatePlan({ loaded, folder, threads, signal: new AbortController().signal });
}
