import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConsentTerms } from "@fedloop/client-runtime";
import { stringify } from "yaml";

/** What benchmarked participants agree to. */
export const WILLING: ConsentTerms = {
  purposes: ["benchmark"],
  decide: () => true,
  dataCategories: ["none"],
  storage: "memory",
  retention: "until the process ends",
  jurisdiction: "CH",
  withdrawal: "end the process",
  interface: "benchmark",
};

/** What every benchmarked plan says of its people and data. */
const ABOUT = {
  controller: "Benchmark",
  purpose: "benchmark",
  notice: { file: "notice.md" },
  language: "en",
  dataCategories: ["none"],
} as const;

/** Writes what `fedloop serve` needs for one plan into a folder: fedloop.yaml, plan.yaml and the notice. */
export async function writeServedPlan(folder: string, plan: object): Promise<void> {
  const config = {
    origin: "fedloop.local/benchmark",
    dataDir: "data",
    listen: { host: "127.0.0.1", port: 0 },
    plans: ["plan.yaml"],
    log: { level: "error" },
  };
  await writeFile(join(folder, "notice.md"), "A benchmark. No personal data.\n");
  await writeFile(join(folder, "plan.yaml"), stringify({ ...ABOUT, ...plan }));
  await writeFile(join(folder, "fedloop.yaml"), stringify(config));
}
