import { logErfc, scaledErfc } from "../../numerics/erfc.js";

/**
 * A pair of distributions P and Q by the tails of their privacy loss L = ln(P/Q). After `at(loss)` the three fields
 * hold the probabilities that L exceeds it. `q` may underflow for large losses and `scaledQ` for very negative ones;
 * each is accurate on its own side of zero.
 */
export interface LossTails {
  /** All but a negligible part of P lies between these losses; what is above `highest` counts as infinite. */
  readonly lowest: number;
  readonly highest: number;
  /** P(L > loss) under P */
  readonly p: number;
  /** P(L > loss) under Q */
  readonly q: number;
  /** e^loss · P(L > loss) under Q */
  readonly scaledQ: number;
  at(loss: number): void;
}

/** About the mean and variance of the loss under P, from tails at points that are dense near zero. */
export function roughMoments(tails: LossTails): { readonly mean: number; readonly variance: number } {
  const points: number[] = [];
  for (let magnitude = 1e-7; magnitude < tails.highest * 1.1; magnitude *= 1.1) {
    points.push(magnitude);
  }
  for (let magnitude = 1e-7; magnitude < -tails.lowest * 1.1; magnitude *= 1.1) {
    points.push(-magnitude);
  }
  points.sort((a, b) => a - b);
  let mean = 0;
  let square = 0;
  let before = 1;
  let last = points[0] ?? 0;
  for (const point of points) {
    tails.at(point);
    const middle = (last + point) / 2;
    mean += (before - tails.p) * middle;
    square += (before - tails.p) * middle * middle;
    before = tails.p;
    last = point;
  }
  return { mean, variance: Math.max(0, square - mean * mean) };
}

/** Standard deviations kept of a Gaussian tail: the mass beyond, e^-50 / 2, is that of dp_accounting. */
const GAUSSIAN_REACH = 9.9;

/** Gaussian noise: the loss is N(μ²/2, μ²) under P and N(−μ²/2, μ²) under Q, with μ = sensitivity over σ. */
export class GaussianTails implements LossTails {
  readonly lowest: number;
  readonly highest: number;
  p = 0;
  q = 0;
  scaledQ = 0;
  readonly #half: number;
  readonly #scale: number;

  constructor(noiseMultiplier: number) {
    const shift = 1 / noiseMultiplier;
    this.#half = (shift * shift) / 2;
    this.#scale = 1 / (shift * Math.SQRT2);
    this.lowest = -this.#half - shift * GAUSSIAN_REACH;
    this.highest = this.#half + shift * GAUSSIAN_REACH;
  }

  at(loss: number): void {
    const z = (loss - this.#half) * this.#scale;
    const y = (loss + this.#half) * this.#scale;
    const decay = Math.exp(-z * z);
    this.p = z >= 0 ? 0.5 * decay * scaledErfc(z) : 1 - 0.5 * decay * scaledErfc(-z);
    if (loss >= 0) {
      // y² − z² = loss, so e^loss · erfc(y) = e^(−z²) · scaled erfc(y); and y ≥ 0
      this.scaledQ = 0.5 * decay * scaledErfc(y);
      this.q = this.scaledQ * Math.exp(-loss);
    } else {
      const own = 0.5 * Math.exp(-y * y) * scaledErfc(Math.abs(y));
      this.q = y >= 0 ? own : 1 - own;
      this.scaledQ = Math.exp(loss) * this.q;
    }
  }
}

/** Laplace noise: P centred at 0, Q at the sensitivity; the loss is between ∓1/b, with atoms at both ends. */
export class LaplaceTails implements LossTails {
  readonly lowest: number;
  readonly highest: number;
  p = 0;
  q = 0;
  scaledQ = 0;

  /** @param scale b over the sensitivity */
  constructor(scale: number) {
    this.highest = 1 / scale;
    this.lowest = -this.highest;
  }

  at(loss: number): void {
    if (loss >= this.highest) {
      this.p = 0;
      this.q = 0;
    } else if (loss < this.lowest) {
      this.p = 1;
      this.q = 1;
    } else {
      // L > loss where the output is below x = (1 − loss·b)/2
      this.p = 1 - 0.5 * Math.exp(-(this.highest - loss) / 2);
      this.q = 0.5 * Math.exp(-(this.highest + loss) / 2);
    }
    this.scaledQ = Math.exp(loss) * this.q;
  }
}

/**
 * The mechanism on a Poisson sample, one participant removed: (1−q)Q + qP against Q.
 * That sampling keeps dominance in each direction: Zhu, Dong, Wang, "Optimal Accounting of Differential Privacy via
 * Characteristic Function" (2022).
 */
export class SampledRemoveTails implements LossTails {
  readonly lowest: number;
  readonly highest: number;
  p = 0;
  q = 0;
  scaledQ = 0;
  readonly #inner: LossTails;
  readonly #probability: number;

  constructor(inner: LossTails, probability: number) {
    this.#inner = inner;
    this.#probability = probability;
    this.lowest = Math.log1p(probability * Math.expm1(inner.lowest));
    this.highest = mixedLoss(inner.highest, probability);
  }

  at(loss: number): void {
    const share = this.#probability;
    const inner = innerLoss(loss, share);
    if (inner === Number.NEGATIVE_INFINITY) {
      this.p = 1;
      this.q = 1;
      this.scaledQ = Math.exp(loss);
      return;
    }
    this.#inner.at(inner);
    this.q = this.#inner.q;
    this.p = (1 - share) * this.#inner.q + share * this.#inner.p;
    // e^loss = (1−q) + q·e^inner
    this.scaledQ = (1 - share) * this.#inner.q + share * this.#inner.scaledQ;
  }
}

/** The same, one participant added: P against (1−q)P + qQ. */
export class SampledAddTails implements LossTails {
  readonly lowest: number;
  readonly highest: number;
  p = 0;
  q = 0;
  scaledQ = 0;
  readonly #inner: LossTails;
  readonly #probability: number;

  constructor(inner: LossTails, probability: number) {
    this.#inner = inner;
    this.#probability = probability;
    this.lowest = -mixedLoss(-inner.lowest, probability);
    this.highest = -Math.log1p(probability * Math.expm1(-inner.highest));
  }

  at(loss: number): void {
    const share = this.#probability;
    const inner = -innerLoss(-loss, share);
    if (inner === Number.POSITIVE_INFINITY) {
      this.p = 0;
      this.q = 0;
      this.scaledQ = 0;
      return;
    }
    this.#inner.at(inner);
    this.p = this.#inner.p;
    this.q = (1 - share) * this.#inner.p + share * this.#inner.q;
    this.scaledQ = Math.exp(loss) * this.q;
  }
}

/**
 * Gaussian noise on a Poisson sample, one participant replaced by another: (1−q)N(0) + qN(1) against
 * (1−q)N(0) + qN(−1), in units of one participant's largest contribution. The loss is odd and increasing in the output.
 */
export class SampledReplaceGaussianTails implements LossTails {
  readonly lowest: number;
  readonly highest: number;
  p = 0;
  q = 0;
  scaledQ = 0;
  readonly #sigma: number;
  readonly #share: number;

  constructor(noiseMultiplier: number, probability: number) {
    this.#sigma = noiseMultiplier;
    this.#share = probability;
    const edge = 1 + GAUSSIAN_REACH * noiseMultiplier;
    const precision = 1 / (2 * noiseMultiplier * noiseMultiplier);
    this.highest =
      mixedLoss((2 * edge - 1) * precision, probability) - mixedLoss((-2 * edge - 1) * precision, probability);
    this.lowest = -this.highest;
  }

  at(loss: number): void {
    const sigma = this.#sigma;
    const share = this.#share;
    // (1−q+qcy) = e^loss·(1−q+qc/y), y = e^(x/σ²), c = e^(−1/2σ²): x/σ² = loss/2 + asinh((1−q)/(qc)·sinh(loss/2))
    const logFactor = Math.log1p(-share) - Math.log(share) + 1 / (2 * sigma * sigma);
    const half = Math.abs(loss) / 2;
    const logSinh = half > 20 ? half - Math.LN2 : Math.log(Math.sinh(half));
    const logArgument = logFactor + logSinh;
    const turned = logArgument > 20 ? logArgument + Math.LN2 : Math.asinh(Math.exp(logArgument));
    const x = Math.sign(loss) * (half + turned) * sigma;
    const without = upperTail(x);
    const plus = upperTail(x - 1 / sigma);
    const minus = upperTail(x + 1 / sigma);
    this.p = (1 - share) * without + share * plus;
    this.q = (1 - share) * without + share * minus;
    this.scaledQ =
      loss <= 0
        ? Math.exp(loss) * this.q
        : (1 - share) * Math.exp(loss + logUpperTail(x)) + share * Math.exp(loss + logUpperTail(x + 1 / sigma));
  }
}

/** The loss that becomes `loss` when mixed: ln((e^loss − 1 + q)/q); −∞ where no loss does. */
function innerLoss(loss: number, probability: number): number {
  const rise = Math.expm1(loss) / probability;
  if (rise < 1e300) {
    return rise > -1 ? Math.log1p(rise) : Number.NEGATIVE_INFINITY;
  }
  return loss + Math.log1p((probability - 1) * Math.exp(-loss)) - Math.log(probability);
}

/** ln(1 − q + q·e^loss) */
function mixedLoss(loss: number, probability: number): number {
  return loss > 700
    ? loss + Math.log(probability) + Math.log1p(((1 - probability) / probability) * Math.exp(-loss))
    : Math.log1p(probability * Math.expm1(loss));
}

/** P(N(0,1) > z) */
function upperTail(z: number): number {
  const x = Math.abs(z) * Math.SQRT1_2;
  const tail = 0.5 * Math.exp(-x * x) * scaledErfc(x);
  return z >= 0 ? tail : 1 - tail;
}

/** ln P(N(0,1) > z) */
function logUpperTail(z: number): number {
  return logErfc(z * Math.SQRT1_2) - Math.LN2;
}
