import { simulatePlan, type VirtualSimulation } from "../../src/simulation/virtual/simulate-plan.js";
import type { PlanChanges } from "../server/plans.js";
import { testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

export const FEATURES = 10;
export const CLASSES = 5;

/** Two hundred devices with clouds of points of few classes each, and a softmax regression. */
export const VIRTUAL: PlanChanges = {
  model: { tensors: { kernel: [FEATURES, CLASSES], bias: [CLASSES] } },
  trainer: { id: "clouds", settings: { learningRate: 0.5, epochs: 2, batchSize: 10 } },
  cohort: { target: 40, minimum: 20, overSelection: 1 },
  rounds: 8,
};

export function virtualSection(changes: Readonly<Record<string, unknown>> = {}): PlanChanges {
  return {
    simulation: {
      devices: 200,
      seed: 7,
      data: { type: "synthetic", classes: CLASSES, features: FEATURES, examples: 4_000, separation: 1.5 },
      partition: { type: "dirichlet", alpha: 0.3 },
      trainingTime: "5s",
      ...changes,
    },
  };
}

/** Runs a plan that a test wrote. */
export async function simulated(
  t: Parameters<typeof temporaryFolder>[0],
  changes: PlanChanges,
  threads = 1,
): Promise<VirtualSimulation> {
  const folder = temporaryFolder(t);
  const loaded = await testPlan(folder, { ...VIRTUAL, ...virtualSection(), ...changes });
  return simulatePlan({ loaded, folder, threads, signal: new AbortController().signal });
}
