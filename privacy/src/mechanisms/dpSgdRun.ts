import { dequantise, quantise } from "../encoding/rounding.js";
import { PrivacyError } from "../errors.js";
import { bernoulli } from "../random/bernoulli.js";
import { DiscreteGaussianSampler } from "../random/gaussianSampler.js";
import { type Rational, rationalFromNumber } from "../random/rational.js";
import type { RandomSource } from "../random/source.js";
import { UniformWords } from "../random/words.js";
import { clipL2 } from "./clipping.js";
import type { DpSgdMechanism } from "./dpSgd.js";

/** One run of `steps` steps on one device's examples. Gradients go in one by one; only noised sums come out. */
export class DpSgdRun {
  readonly #mechanism: DpSgdMechanism;
  readonly #random: RandomSource;
  readonly #words: UniformWords;
  readonly #probability: Rational;
  readonly #sampler: DiscreteGaussianSampler;
  readonly #sum: Float64Array;
  #step = 0;
  #isOpen = false;

  /** @param random the device's cryptographic source: of the sample, the rounding and the noise */
  constructor(mechanism: DpSgdMechanism, random: RandomSource) {
    this.#mechanism = mechanism;
    this.#random = random;
    this.#words = new UniformWords(random);
    this.#probability = rationalFromNumber(mechanism.samplingProbability);
    this.#sampler = new DiscreteGaussianSampler(mechanism.noiseStdDev, random);
    this.#sum = new Float64Array(mechanism.dimension);
  }

  /**
   * Begins a step and draws its batch: a Poisson sample, so its size varies, and may be 0.
   *
   * @param examples how many there are
   * @returns their numbers, ascending
   * @throws PrivacyError OUT_OF_RANGE after the last step, or before the step under way is released
   */
  sample(examples: number): Uint32Array {
    if (this.#isOpen || this.#step >= this.#mechanism.steps) {
      throw new PrivacyError(
        "OUT_OF_RANGE",
        `Expected at most ${this.#mechanism.steps} steps, each released before the next; what they cost covers no more.`,
      );
    }
    this.#isOpen = true;
    const { numerator, denominator } = this.#probability;
    const batch: number[] = [];
    for (let example = 0; example < examples; example++) {
      if (numerator === denominator || bernoulli(numerator, denominator, this.#words)) batch.push(example);
    }
    return Uint32Array.from(batch);
  }

  /**
   * Adds one example's gradient, clipped to the mechanism's norm.
   *
   * @param gradient `dimension` numbers; clipped in place
   * @throws PrivacyError NON_FINITE, WRONG_LENGTH, OUT_OF_RANGE when no step is under way
   */
  add(gradient: Float32Array): void {
    const { dimension, clipNorm, quantisation } = this.#mechanism;
    if (gradient.length !== dimension) {
      throw new PrivacyError("WRONG_LENGTH", `A gradient must have ${dimension} numbers, not ${gradient.length}.`);
    }
    if (!this.#isOpen) throw new PrivacyError("OUT_OF_RANGE", "Draw a step's batch before adding gradients to it.");
    clipL2(gradient, clipNorm);
    const integers = quantise(gradient, quantisation, this.#random);
    for (let i = 0; i < dimension; i++) this.#sum[i] = (this.#sum[i] ?? 0) + (integers[i] ?? 0);
  }

  /**
   * Ends the step.
   *
   * @returns the noised sum of its clipped gradients; `dimension` numbers
   * @throws PrivacyError OUT_OF_RANGE when no step is under way
   */
  release(): Float32Array {
    if (!this.#isOpen) throw new PrivacyError("OUT_OF_RANGE", "Draw a step's batch before releasing it.");
    const noise = new Float64Array(this.#sum.length);
    this.#sampler.fill(noise);
    for (let i = 0; i < noise.length; i++) noise[i] = (noise[i] ?? 0) + (this.#sum[i] ?? 0);
    this.#sum.fill(0);
    this.#step += 1;
    this.#isOpen = false;
    return dequantise(noise, this.#mechanism.quantisation);
  }
}
