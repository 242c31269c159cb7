import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DELTA, type UtilityCase, type UtilityOptions } from "./utility.js";

/** A data set and a model, as a function of ε. */
export interface Measurement {
  readonly dataset: string;
  readonly model: string;
  readonly metric: string;
  readonly isHigherBetter: boolean;
  readonly participants: number;
  readonly releases: number;
  /** By ε; key "none" without noise. */
  readonly references: Readonly<Record<string, number>>;
  /** Noise of each release for an ε. */
  readonly noiseMultiplierFor: (epsilon: number) => number;
  /** One training. @param noiseMultiplier 0 without noise */
  readonly train: (noiseMultiplier: number, epsilon: number) => Promise<number>;
}

/** The folder of data sets that may not be committed, or undefined when it is not there. */
export function sharedData(name: string): string | undefined {
  const folder = process.env.FEDLOOP_DATA ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));
  const path = join(folder, name);
  return existsSync(path) ? path : undefined;
}

/** Trains at each ε, and without noise. */
export async function measured(measurement: Measurement, options: UtilityOptions): Promise<readonly UtilityCase[]> {
  const cases: UtilityCase[] = [];
  for (const epsilon of [...options.epsilons, Number.POSITIVE_INFINITY]) {
    const isNoised = Number.isFinite(epsilon);
    const noiseMultiplier = isNoised ? measurement.noiseMultiplierFor(epsilon) : 0;
    const begun = process.cpuUsage();
    const values: number[] = [];
    // Without noise only the rounding is random.
    const repeats = isNoised ? options.repeats : 1;
    for (let repeat = 0; repeat < repeats; repeat++) values.push(await measurement.train(noiseMultiplier, epsilon));
    const { user, system } = process.cpuUsage(begun);
    const mean = values.reduce((sum, value) => sum + value, 0) / repeats;
    const { isHigherBetter } = measurement;
    const reference = measurement.references[isNoised ? String(epsilon) : "none"] ?? null;
    // References are rounded to their last digit.
    const value = Math.round(mean * 1e4) / 1e4;
    cases.push({
      dataset: measurement.dataset,
      model: measurement.model,
      metric: measurement.metric,
      isHigherBetter,
      epsilon: isNoised ? epsilon : "none",
      delta: DELTA,
      unit: "participant",
      participants: measurement.participants,
      releases: measurement.releases,
      noiseMultiplier: Math.round(noiseMultiplier * 1e4) / 1e4,
      value,
      worst: Math.round((isHigherBetter ? Math.min(...values) : Math.max(...values)) * 1e4) / 1e4,
      repeats,
      reference,
      reaches: reference === null ? null : isHigherBetter ? value >= reference : value <= reference,
      cpuSeconds: Math.round((user + system) / 1e4) / 100,
    });
  }
  return cases;
}
