import {
  addCentralNoise,
  type CentralGaussian,
  centralGaussian,
  clipL2,
  dequantise,
  noiseMultiplierFor,
  PrivacyFilter,
  quantise,
  type RandomSource,
} from "@fedloop/privacy";
import { DELTA } from "./utility.js";

/** The noise multiplier of each of so many releases that cost ε together, by the accountant that rounds use. */
export function noiseForReleases(epsilon: number, releases: number): number {
  return noiseMultiplierFor({
    epsilon,
    delta: DELTA,
    accountant: "rdp",
    event: (noiseMultiplier) => ({
      type: "SelfComposed",
      count: releases,
      event: { type: "Gaussian", noiseMultiplier },
    }),
  });
}

export interface PrivateSumOptions {
  readonly clipNorm: number;
  /** 0 for sums without noise, and without rounding. */
  readonly noiseMultiplier: number;
  readonly dimension: number;
  readonly bits: number;
  readonly random: RandomSource;
  /** Counts every release; refuses when the budget is spent. */
  readonly budget: PrivacyFilter | null;
}

/** A budget that holds for ε at the δ of this benchmark; null without noise. */
export function budgetFor(epsilon: number): PrivacyFilter | null {
  return Number.isFinite(epsilon) ? new PrivacyFilter({ epsilon, delta: DELTA, accountant: "rdp" }) : null;
}

/** Sums of clipped updates with central noise: what a round does between the devices and the strategy. */
export class PrivateSum {
  readonly #options: PrivateSumOptions;
  readonly #mechanism: CentralGaussian | null;
  readonly #sum: Float64Array;

  constructor(options: PrivateSumOptions) {
    const { clipNorm, noiseMultiplier, bits, dimension } = options;
    this.#options = options;
    this.#mechanism = noiseMultiplier === 0 ? null : centralGaussian({ clipNorm, noiseMultiplier, bits, dimension });
    this.#sum = new Float64Array(dimension);
  }

  /** Standard deviation of the noise in each coordinate of a released sum. */
  get noiseStdDev(): number {
    return this.#mechanism === null ? 0 : this.#mechanism.noiseStdDev * this.#mechanism.quantisation.granularity;
  }

  /**
   * Adds a participant's update.
   *
   * @param update `dimension` numbers, or as many as `places` has; clipped in place
   * @param places coordinates that the numbers are for, where all others are zero
   */
  add(update: Float32Array, places?: Int32Array | Uint32Array): void {
    clipL2(update, this.#options.clipNorm);
    const mechanism = this.#mechanism;
    const values = mechanism === null ? update : quantise(update, mechanism.quantisation, this.#options.random);
    const sum = this.#sum;
    for (let i = 0; i < values.length; i++) {
      const at = places === undefined ? i : (places[i] ?? 0);
      sum[at] = (sum[at] ?? 0) + (values[i] ?? 0);
    }
  }

  /** The noised sum of what was added since the last release. @throws PrivacyError BUDGET_EXCEEDED */
  release(): Float32Array {
    const { budget, random } = this.#options;
    const mechanism = this.#mechanism;
    if (mechanism === null) {
      const released = Float32Array.from(this.#sum);
      this.#sum.fill(0);
      return released;
    }
    budget?.spend(mechanism.event);
    addCentralNoise(this.#sum, mechanism, random);
    const released = dequantise(this.#sum, mechanism.quantisation);
    this.#sum.fill(0);
    return released;
  }
}
