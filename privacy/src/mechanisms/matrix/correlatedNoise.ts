import { PrivacyError } from "../../errors.js";
import { DiscreteGaussianSampler } from "../../random/gaussianSampler.js";
import type { RandomSource } from "../../random/source.js";
import type { MatrixMechanism } from "./mechanism.js";

/** Where a run stands: as secret as the noise itself, since with it past noise could be taken off. */
export interface CorrelatedNoiseState {
  /** Steps done. */
  readonly step: number;
  /** One vector a buffer, in lattice units. */
  readonly buffers: readonly Float64Array[];
}

/**
 * The noise of a streaming matrix mechanism, step by step, with the memory of a few buffers: as many as a BLT strategy
 * has pairs, or one fewer than a banded one has bands.
 */
export class CorrelatedNoise {
  readonly #mechanism: MatrixMechanism;
  readonly #sampler: DiscreteGaussianSampler;
  readonly #buffers: Float64Array[];
  #step: number;

  /**
   * @param mechanism from `matrixMechanism`
   * @param random the cryptographic source
   * @param state where to go on; the beginning when it is left out
   * @throws PrivacyError WRONG_LENGTH when the state is not of this mechanism
   */
  constructor(mechanism: MatrixMechanism, random: RandomSource, state?: CorrelatedNoiseState) {
    this.#mechanism = mechanism;
    this.#sampler = new DiscreteGaussianSampler(mechanism.noiseStdDev, random);
    const { strategy, dimension } = mechanism;
    const count = strategy.type === "blt" ? strategy.bufferDecay.length : strategy.coefficients.length - 1;
    if (state === undefined) {
      this.#step = 0;
      this.#buffers = Array.from({ length: count }, () => new Float64Array(dimension));
      return;
    }
    if (state.buffers.length !== count || state.buffers.some((buffer) => buffer.length !== dimension)) {
      throw new PrivacyError(
        "WRONG_LENGTH",
        `The state must hold ${count} buffers of ${dimension} numbers. It belongs to another mechanism.`,
      );
    }
    this.#step = state.step;
    this.#buffers = state.buffers.map((buffer) => buffer.slice());
  }

  /** Where the run stands, as a copy. */
  state(): CorrelatedNoiseState {
    return { step: this.#step, buffers: this.#buffers.map((buffer) => buffer.slice()) };
  }

  /**
   * Adds the next step's noise to a sum of quantised updates, in place. Once for each step, in order.
   *
   * @param sum integers; overwritten with multiples of 2^-latticeBits
   * @throws PrivacyError WRONG_LENGTH; OUT_OF_RANGE when a coordinate is no integer or too large, or after the last step
   */
  addTo(sum: Float64Array): void {
    for (const _ of this.addInSlices(sum, sum.length)) {
      // One slice: all of it.
    }
  }

  /**
   * The same a slice at a time, so that whoever iterates can let other work run in between. Iterate to the end: a step that
   * is broken off leaves the state useless.
   *
   * @throws as `addTo`, before anything is changed
   */
  *addInSlices(sum: Float64Array, sliceLength: number): Generator<void> {
    const { dimension, participation, latticeBits } = this.#mechanism;
    if (sum.length !== dimension) {
      throw new PrivacyError("WRONG_LENGTH", `The sum must have ${dimension} coordinates, not ${sum.length}.`);
    }
    if (this.#step >= participation.steps) {
      throw new PrivacyError(
        "OUT_OF_RANGE",
        `The run has ${participation.steps} steps, all of them done: its cost covers no more. Start another run.`,
      );
    }
    const scale = 2 ** latticeBits;
    const limit = (Number.MAX_SAFE_INTEGER - 2 ** 50) / scale;
    for (let i = 0; i < dimension; i++) {
      const value = sum[i] ?? 0;
      if (!Number.isInteger(value) || Math.abs(value) > limit) {
        throw new PrivacyError(
          "OUT_OF_RANGE",
          `Coordinate ${i} of the sum is not an integer of magnitude at most ${limit}. Nothing was changed.`,
        );
      }
    }
    const noise = new Float64Array(Math.min(sliceLength, dimension));
    for (let start = 0; start < dimension; start += noise.length) {
      const slice = noise.subarray(0, Math.min(noise.length, dimension - start));
      this.#sampler.fill(slice);
      this.#feedBack(slice, start);
      for (let i = 0; i < slice.length; i++) {
        sum[start + i] = ((sum[start + i] ?? 0) * scale + (slice[i] ?? 0)) / scale;
      }
      yield;
    }
    noise.fill(0);
    this.#step += 1;
  }

  /** Turns z into w = z − round(Σ c_i·w of i steps ago), and remembers it; for the coordinates from `start` on. */
  #feedBack(noise: Float64Array, start: number): void {
    const { strategy } = this.#mechanism;
    const buffers = this.#buffers.map((buffer) => buffer.subarray(start, start + noise.length));
    if (strategy.type === "blt") {
      feedBackBlt(noise, buffers, strategy.bufferDecay, strategy.outputScale);
    } else {
      feedBackBanded(noise, buffers, strategy.coefficients, this.#step);
    }
  }
}

/** Buffer j holds Σ_(i≥1) θ_j^(i−1)·w of i steps ago. */
function feedBackBlt(
  noise: Float64Array,
  buffers: readonly Float64Array[],
  decay: readonly number[],
  scale: readonly number[],
): void {
  for (let at = 0; at < noise.length; at++) {
    let feedback = 0;
    for (let j = 0; j < buffers.length; j++) {
      feedback += (scale[j] ?? 0) * (buffers[j]?.[at] ?? 0);
    }
    const value = (noise[at] ?? 0) - Math.round(feedback);
    noise[at] = value;
    for (let j = 0; j < buffers.length; j++) {
      const buffer = buffers[j];
      if (buffer !== undefined) {
        buffer[at] = (decay[j] ?? 0) * (buffer[at] ?? 0) + value;
      }
    }
  }
}

/** Buffers form a ring: w of step s is in buffer s mod their number. */
function feedBackBanded(
  noise: Float64Array,
  buffers: readonly Float64Array[],
  coefficients: readonly number[],
  step: number,
): void {
  const ring = buffers.length;
  if (ring === 0) {
    return;
  }
  const newest = buffers[step % ring];
  for (let at = 0; at < noise.length; at++) {
    let feedback = 0;
    for (let i = 1; i <= Math.min(ring, step); i++) {
      feedback += (coefficients[i] ?? 0) * (buffers[(step - i) % ring]?.[at] ?? 0);
    }
    const value = (noise[at] ?? 0) - Math.round(feedback);
    noise[at] = value;
    if (newest !== undefined) {
      newest[at] = value;
    }
  }
}
