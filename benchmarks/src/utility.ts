import { assistmentsUtility } from "./utility-assistments.js";
import { instevalUtility } from "./utility-insteval.js";
import { movielensUtility } from "./utility-movielens.js";

/** What a model reaches at one ε, for each participant in all, at δ = 1e-5. */
export interface UtilityCase {
  readonly dataset: string;
  readonly model: string;
  readonly metric: string;
  /** Whether more is better. */
  readonly isHigherBetter: boolean;
  /** "none" without noise. */
  readonly epsilon: number | "none";
  readonly delta: number;
  readonly unit: "participant";
  readonly participants: number;
  /** Releases that the ε is for, all together. */
  readonly releases: number;
  readonly noiseMultiplier: number;
  /** Mean over `repeats` draws of the noise, and the worst of them. */
  readonly value: number;
  readonly worst: number;
  readonly repeats: number;
  /** From the notes on the data; null where they have none. */
  readonly reference: number | null;
  /** Whether the mean is at least as good; null without a reference. */
  readonly reaches: boolean | null;
  readonly cpuSeconds: number;
}

export interface UtilityOptions {
  readonly epsilons: readonly number[];
  /** Draws of the noise; the metric's mean over them is reported. */
  readonly repeats: number;
  /** "all", or one of insteval, assistments, movielens. */
  readonly dataset: string;
}

/** Where the data lie that may not be in the repository; `FEDLOOP_DATA` names another place. */
export const DELTA = 1e-5;

const DATASETS: Readonly<Record<string, (options: UtilityOptions) => Promise<readonly UtilityCase[]>>> = {
  insteval: instevalUtility,
  assistments: assistmentsUtility,
  movielens: movielensUtility,
};

/**
 * Trains models with this project's own pieces (trainers, clipping, rounding, exact integer noise, accountant, strategies)
 * in one process, without a network, and measures them on held-out data. Data sets that are not there are passed over.
 */
export async function utilityBenchmark(options: UtilityOptions): Promise<readonly UtilityCase[]> {
  const named = options.dataset === "all" ? Object.keys(DATASETS) : [options.dataset];
  const cases: UtilityCase[] = [];
  for (const name of named) {
    const measure = DATASETS[name];
    if (measure === undefined) {
      throw new Error(`expected --dataset to be all, ${Object.keys(DATASETS).join(" or ")}, came "${name}"`);
    }
    cases.push(...(await measure(options)));
  }
  return cases;
}
