import { PrivacyError } from "../../errors.js";
import { type LossMass, trimmed } from "./lossMass.js";

/** A pair of discrete distributions: outcomes by their loss ln(P/Q) and their probability under P. */
export interface Atoms {
  readonly losses: Float64Array;
  readonly masses: Float64Array;
  /** Probability under P of outcomes that Q never gives. */
  readonly infinite: number;
}

/** Discrete distributions with more outcomes than this are not enumerated. */
export const MOST_ATOMS = 2_000_000;

/** Beyond losses of this size, an outcome's probability under P or under Q may not be a double. */
export const LARGEST_ATOM_LOSS = 700;

/** Distances below this part of a loss are rounding of the loss itself. */
const SAME = 1e-12;

/** The grid point that a loss moves up to. */
export function bucketOf(loss: number, interval: number): number {
  const scaled = loss / interval;
  const nearest = Math.round(scaled);
  return Math.abs(scaled - nearest) <= SAME * Math.abs(scaled) ? nearest : Math.ceil(scaled);
}

/**
 * @param atoms the distributions
 * @param interval distance of grid points
 * @returns the largest number of which all bucketed losses are multiples, in intervals; 0 when all are zero
 */
export function bucketStride(atoms: Atoms, interval: number): number {
  let stride = 0;
  for (const loss of atoms.losses) {
    stride = greatestCommonDivisor(Math.abs(bucketOf(loss, interval)), stride);
    if (stride === 1) {
      break;
    }
  }
  return stride;
}

/** @returns the greatest common divisor of two integers of at least 0 */
export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Privacy buckets (Meiser and Mohammadi 2018): each loss moves up to the next grid point.
 *
 * @param atoms the distributions
 * @param interval distance of grid points that losses move up to
 * @param every the result's grid has every so many of those points; all bucketed losses lie on it
 */
export function bucketed(atoms: Atoms, interval: number, every: number): LossMass {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  const indices = atoms.losses.map((loss) => {
    const index = Math.round(bucketOf(loss, interval) / every);
    lowest = Math.min(lowest, index);
    highest = Math.max(highest, index);
    return index;
  });
  const mass = gridFor(lowest, highest);
  indices.forEach((index, i) => {
    mass[index - lowest] = (mass[index - lowest] ?? 0) + (atoms.masses[i] ?? 0);
  });
  return trimmed({ interval: interval * every, first: lowest, mass, infinite: atoms.infinite });
}

/**
 * Each atom goes to the two grid points around it so that its mass under both distributions is kept: the discrete case
 * of connecting the dots, for grids so coarse that rounding up would cost too much.
 */
export function split(atoms: Atoms, interval: number): LossMass {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  for (const loss of atoms.losses) {
    lowest = Math.min(lowest, Math.floor(loss / interval));
    highest = Math.max(highest, Math.ceil(loss / interval));
  }
  const mass = gridFor(lowest, highest);
  const growth = Math.expm1(interval);
  atoms.losses.forEach((loss, i) => {
    const p = atoms.masses[i] ?? 0;
    const upper = Math.ceil(loss / interval);
    const toLower = (p * Math.expm1(upper * interval - loss)) / growth;
    mass[upper - lowest] = (mass[upper - lowest] ?? 0) + p - toLower;
    if (toLower > 0) {
      mass[upper - 1 - lowest] = (mass[upper - 1 - lowest] ?? 0) + toLower;
    }
  });
  return trimmed({ interval, first: lowest, mass, infinite: atoms.infinite });
}

function gridFor(lowest: number, highest: number): Float64Array {
  const points = highest - lowest + 1;
  if (!(points <= 2 ** 26)) {
    throw new PrivacyError("TOO_COSTLY", `A grid of ${points} losses is too fine for this event. Use "rdp" or "zcdp".`);
  }
  return new Float64Array(points);
}

/** The largest magnitude of a finite loss. */
export function largestLoss(atoms: Atoms): number {
  return atoms.losses.reduce((most, loss) => Math.max(most, Math.abs(loss)), 0);
}

/** The pair ((1−q)Q + qP, Q): one participant of a Poisson sample removed. No loss is above LARGEST_ATOM_LOSS. */
export function sampledRemove(atoms: Atoms, probability: number): Atoms {
  const { losses, masses } = atoms;
  let onlyQ = 1;
  const mixed = masses.map((mass, i) => {
    // (1−q)·p·e^−loss + q·p
    const other = mass * Math.exp(-(losses[i] ?? 0));
    onlyQ -= other;
    return (1 - probability) * other + probability * mass;
  });
  // What P never gives has loss ln(1−q) now.
  return {
    losses: extended(
      losses.map((loss) => Math.log1p(probability * Math.expm1(loss))),
      Math.log1p(-probability),
    ),
    masses: extended(mixed, (1 - probability) * Math.max(0, onlyQ)),
    infinite: probability * atoms.infinite,
  };
}

/** The pair (P, (1−q)P + qQ): one participant of a Poisson sample added. */
export function sampledAdd(atoms: Atoms, probability: number): Atoms {
  // What Q never gives has loss −ln(1−q) now.
  return {
    losses: extended(
      atoms.losses.map((loss) => -Math.log1p(probability * Math.expm1(-loss))),
      -Math.log1p(-probability),
    ),
    masses: extended(atoms.masses, atoms.infinite),
    infinite: 0,
  };
}

function extended(values: Float64Array, last: number): Float64Array {
  const out = new Float64Array(values.length + 1);
  out.set(values);
  out[values.length] = last;
  return out;
}

/** The two distributions of any (ε, δ)-differentially private mechanism at its worst (Kairouz, Oh, Viswanath 2015). */
export function epsilonDeltaAtoms(epsilon: number, delta: number): Atoms {
  return {
    losses: Float64Array.of(epsilon, -epsilon),
    masses: Float64Array.of((1 - delta) / (1 + Math.exp(-epsilon)), (1 - delta) / (1 + Math.exp(epsilon))),
    infinite: delta,
  };
}

/** k-ary randomized response between two true answers. */
export function randomizedResponseAtoms(noise: number, buckets: number): Atoms {
  const other = noise / buckets;
  const right = 1 - noise + other;
  const loss = Math.log(right / other);
  return {
    losses: Float64Array.of(loss, -loss, 0),
    masses: Float64Array.of(right, other, Math.max(0, 1 - right - other)),
    infinite: 0,
  };
}

/** k-ary randomized response between a true answer and the uniform distribution, in both directions. */
export function randomizedResponseSpecialAtoms(
  noise: number,
  buckets: number,
): { readonly remove: Atoms; readonly add: Atoms } {
  const right = 1 - noise + noise / buckets;
  const up = Math.log(right * buckets);
  const down = Math.log(noise);
  return {
    remove: { losses: Float64Array.of(up, down), masses: Float64Array.of(right, 1 - right), infinite: 0 },
    add: { losses: Float64Array.of(-up, -down), masses: Float64Array.of(1 / buckets, 1 - 1 / buckets), infinite: 0 },
  };
}

/**
 * Discrete Laplace noise P(x) ∝ e^(−a|x|): outcomes at most 0 have one loss, those from the sensitivity on another.
 *
 * @param a the parameter
 * @param sensitivity an integer
 */
export function discreteLaplaceAtoms(a: number, sensitivity: number): Atoms {
  const losses = new Float64Array(sensitivity + 1);
  const masses = new Float64Array(sensitivity + 1);
  const atZero = Math.tanh(a / 2);
  // P(X ≤ 0) = 1/(1 + e^−a), P(X ≥ Δ) = e^(−aΔ)/(1 + e^−a)
  const half = 1 / (1 + Math.exp(-a));
  for (let x = 0; x <= sensitivity; x++) {
    losses[x] = a * (sensitivity - 2 * x);
    masses[x] = Math.exp(-a * x) * atZero;
  }
  masses[0] = half;
  masses[sensitivity] = Math.exp(-a * sensitivity) * half;
  return { losses, masses, infinite: 0 };
}

/**
 * Discrete Gaussian noise on one integer.
 *
 * @param sigma the parameter
 * @param sensitivity an integer
 * @returns undefined when there are too many outcomes to enumerate, or some of next to no probability
 */
export function discreteGaussianAtoms(sigma: number, sensitivity: number): Atoms | undefined {
  // P(|X| ≥ m) ≤ 2·exp(−m²/2σ²) is below 1e-30 from here on.
  const reach = Math.ceil(12 * sigma);
  const count = 2 * reach + 1;
  const largest = (sensitivity * (sensitivity + 2 * reach)) / (2 * sigma * sigma);
  if (!(count <= MOST_ATOMS && largest <= LARGEST_ATOM_LOSS)) {
    return undefined;
  }
  const losses = new Float64Array(count);
  const masses = new Float64Array(count);
  const precision = 1 / (2 * sigma * sigma);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const x = i - reach;
    losses[i] = sensitivity * (sensitivity - 2 * x) * precision;
    const mass = x === 0 ? 1 : Math.exp(-x * x * precision);
    masses[i] = mass;
    total += mass;
  }
  for (let i = 0; i < count; i++) {
    masses[i] = (masses[i] ?? 0) / total;
  }
  return { losses, masses, infinite: 1e-30 };
}
