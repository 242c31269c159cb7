import { Z_95 } from "../statistics/normal.js";

/** The ends of a 95 % interval. */
export type Interval = readonly [lower: number, upper: number];

/** A number that a noised sum gives, and how far the noise may have moved it. */
export interface Estimate {
  readonly value: number;
  /** Of the value, from the noise and from rounding on the devices. */
  readonly noiseVariance: number;
  /** Covers what the same participants would give without noise in 95 of 100 releases. */
  readonly interval: Interval;
}

export function normalEstimate(value: number, noiseVariance: number): Estimate {
  const half = Z_95 * Math.sqrt(noiseVariance);
  return { value, noiseVariance, interval: [value - half, value + half] };
}

/** An estimate of a·x + b. */
export function scaledEstimate({ value, noiseVariance, interval }: Estimate, a: number, b = 0): Estimate {
  const [low, high] = interval;
  const ends: Interval = a < 0 ? [a * high + b, a * low + b] : [a * low + b, a * high + b];
  return { value: a * value + b, noiseVariance: a * a * noiseVariance, interval: ends };
}

/** With an interval that keeps to what is possible. Cutting off the impossible loses no coverage. */
export function within({ value, noiseVariance, interval }: Estimate, lower: number, upper: number): Estimate {
  const clip = (x: number): number => Math.min(Math.max(x, lower), upper);
  return { value: clip(value), noiseVariance, interval: [clip(interval[0]), clip(interval[1])] };
}

/**
 * A ratio of two noised sums, with the interval of Fieller (1954): all θ whose numerator − θ·denominator is within its
 * noise of 0. The variance is that of the delta method.
 *
 * @param numeratorVariance of the noise; independent of the denominator's
 * @returns null when the denominator is not told from 0: then no ratio is excluded
 */
export function ratioEstimate(
  numerator: number,
  denominator: number,
  numeratorVariance: number,
  denominatorVariance: number,
): Estimate | null {
  const square = Z_95 * Z_95;
  const a = denominator * denominator - square * denominatorVariance;
  if (!(denominator > 0 && a > 0)) return null;
  const b = numerator * denominator;
  const c = numerator * numerator - square * numeratorVariance;
  const root = Math.sqrt(Math.max(b * b - a * c, 0));
  const value = numerator / denominator;
  return {
    value,
    noiseVariance: (numeratorVariance + value * value * denominatorVariance) / (denominator * denominator),
    interval: [(b - root) / a, (b + root) / a],
  };
}

/**
 * A smooth function of noised numbers that share one noise variance: the delta method, with derivatives by central
 * differences of half a standard deviation.
 */
export function smoothEstimate(
  read: (values: Float64Array) => number,
  sums: Float64Array,
  noiseVariance: number,
): Estimate {
  const value = read(sums);
  const step = Math.sqrt(noiseVariance) / 2;
  if (step === 0) return normalEstimate(value, 0);
  const moved = Float64Array.from(sums);
  let squares = 0;
  for (let i = 0; i < sums.length; i++) {
    const at = sums[i] ?? 0;
    moved[i] = at + step;
    const above = read(moved);
    moved[i] = at - step;
    const slope = (above - read(moved)) / (2 * step);
    moved[i] = at;
    squares += slope * slope;
  }
  return normalEstimate(value, squares * noiseVariance);
}
