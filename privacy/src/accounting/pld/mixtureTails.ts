import { normalCdf } from "../../numerics/erfc.js";
import { LogSum } from "../logSum.js";
import type { LossTails } from "./lossTails.js";

const REACH = 9.9;

/** ln(P/Q) for P = Σ pᵢ·N(sᵢ, σ²) and Q = N(0, σ²), which rises with the output when every sᵢ ≥ 0. */
class MixtureLoss {
  readonly sigma: number;
  readonly sensitivities: readonly number[];
  readonly probabilities: readonly number[];
  readonly largest: number;

  constructor(sigma: number, sensitivities: readonly number[], probabilities: readonly number[]) {
    this.sigma = sigma;
    this.sensitivities = sensitivities;
    this.probabilities = probabilities;
    this.largest = sensitivities.reduce((most, s, i) => ((probabilities[i] ?? 0) > 0 ? Math.max(most, s) : most), 0);
  }

  at(x: number): number {
    const sum = new LogSum();
    this.sensitivities.forEach((s, i) => {
      const p = this.probabilities[i] ?? 0;
      if (p > 0) {
        sum.add(Math.log(p) + (s * (2 * x - s)) / (2 * this.sigma * this.sigma));
      }
    });
    return sum.log;
  }

  /** The output whose loss is the given one, by bisection between outputs that bracket all that matter. */
  inverse(loss: number): number {
    let low = -4 * REACH * this.sigma - this.largest;
    let high = 4 * REACH * this.sigma + 2 * this.largest;
    if (!(this.at(low) < loss)) {
      return Number.NEGATIVE_INFINITY;
    }
    if (!(this.at(high) > loss)) {
      return Number.POSITIVE_INFINITY;
    }
    for (let step = 0; step < 80; step++) {
      const middle = (low + high) / 2;
      if (this.at(middle) < loss) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return high;
  }

  /** P(output > x) under the mixture, `sign` −1 for P(output < x). */
  tail(x: number, sign: number): number {
    return this.sensitivities.reduce(
      (sum, s, i) => sum + (this.probabilities[i] ?? 0) * normalCdf((sign * (s - x)) / this.sigma),
      0,
    );
  }
}

/** The mixture against the Gaussian. */
export class MixtureRemoveTails implements LossTails {
  readonly lowest: number;
  readonly highest: number;
  p = 0;
  q = 0;
  scaledQ = 0;
  readonly #loss: MixtureLoss;

  constructor(sigma: number, sensitivities: readonly number[], probabilities: readonly number[]) {
    this.#loss = new MixtureLoss(sigma, sensitivities, probabilities);
    this.lowest = this.#loss.at(-REACH * sigma);
    this.highest = this.#loss.at(this.#loss.largest + REACH * sigma);
  }

  at(loss: number): void {
    const x = this.#loss.inverse(loss);
    this.p = this.#loss.tail(x, 1);
    this.q = normalCdf(-x / this.#loss.sigma);
    this.scaledQ = Math.exp(loss) * this.q;
  }
}

/** The Gaussian against the mixture. */
export class MixtureAddTails implements LossTails {
  readonly lowest: number;
  readonly highest: number;
  p = 0;
  q = 0;
  scaledQ = 0;
  readonly #loss: MixtureLoss;

  constructor(sigma: number, sensitivities: readonly number[], probabilities: readonly number[]) {
    this.#loss = new MixtureLoss(sigma, sensitivities, probabilities);
    this.lowest = -this.#loss.at(REACH * sigma);
    this.highest = -this.#loss.at(-REACH * sigma);
  }

  at(loss: number): void {
    const x = this.#loss.inverse(-loss);
    this.p = normalCdf(x / this.#loss.sigma);
    this.q = this.#loss.tail(x, -1);
    this.scaledQ = Math.exp(loss) * this.q;
  }
}
