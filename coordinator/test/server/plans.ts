import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { type LoadedPlan, parsePlan } from "../../src/plan/load.js";

export const POPULATION = "lecturers";
export const PURPOSE = "lecture-recommendations";

/** Parameters of the test model. */
export const PARAMETERS = 3;

/** What a test's plan says other than `BASE`: whole sections. */
export type PlanChanges = Readonly<Record<string, unknown>>;

/** Three participants, one round, no noise: what comes out can be compared to the last bit. */
const BASE: PlanChanges = {
  population: POPULATION,
  controller: "Example University",
  purpose: PURPOSE,
  notice: { file: "notice.md" },
  language: "en",
  dataCategories: ["lecture ratings"],
  model: { parameters: PARAMETERS },
  trainer: { id: "test" },
  rounds: 1,
  cohort: { target: 3, minimum: 3, overSelection: 1 },
  deadlines: { selection: "20s", report: "20s" },
  privacy: { mechanism: "none", reason: "the test compares exact numbers" },
  secureAggregation: { enabled: false, reason: "the test looks at sums" },
};

/** The sections that give a plan central noise of a fixed size. */
export function centralNoise(noiseMultiplier: number, epsilon: number): PlanChanges {
  return {
    policy: { epsilon, delta: 1e-5 },
    privacy: { mechanism: "central-discrete-gaussian", clipNorm: 1, noiseMultiplier, bits: 18 },
  };
}

/** The sections of a plan whose masked sums can be compared to the last bit. */
export function secureExact(members: number): PlanChanges {
  return {
    cohort: { target: members, minimum: members - 1, overSelection: 1 },
    privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 64, bits: 20 },
    secureAggregation: { enabled: true },
  };
}

/** A plan with its notice, read as the coordinator reads it. @param folder where the notice is written */
export async function testPlan(folder: string, changes: PlanChanges = {}): Promise<LoadedPlan> {
  await writeFile(join(folder, "notice.md"), "Your ratings train a model. They stay with you.\n");
  return parsePlan("plan.yaml", stringify({ ...BASE, ...changes }), folder);
}
