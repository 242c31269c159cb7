import type { GaussianEquivalent } from "../gaussianEquivalent.js";
import { LogSum, logExpm1 } from "../logSum.js";

/** Up to this order the moments of the Gaussian are used; above, a simpler bound. */
const LARGEST_EXACT_ORDER = 256;

/**
 * Rényi curve of a Gaussian-like mechanism on a uniform sample of fixed size, under replace-one.
 * Source: Wang, Balle, Kasiviswanathan, "Subsampled Rényi Differential Privacy and Analytical Moments Accountant"
 * (2019): Theorem 27 for the Gaussian, Theorem 9 for anything else with the same curve; orders that are not integers
 * by Corollary 10.
 *
 * @param fraction sample size over source size, in [0, 1]
 * @param inner the mechanism on the sample
 * @param orders the orders that will be asked for
 * @returns order ↦ an upper bound on RDP(order)
 */
export function fixedSizeSampleRdp(
  fraction: number,
  inner: GaussianEquivalent,
  orders: Float64Array,
): (order: number) => number {
  if (fraction === 0 || inner.rho === 0) {
    return () => 0;
  }
  if (fraction === 1) {
    return (order) => order * inner.rho;
  }
  if (!Number.isFinite(inner.rho)) {
    return () => Number.POSITIVE_INFINITY;
  }
  const largest = orders.reduce((most, order) => Math.max(most, Math.ceil(order)), 2);
  const exactUpTo = inner.shape === "gaussian" ? Math.min(LARGEST_EXACT_ORDER, largest) : 0;
  const moments = logCentralMoments(Math.sqrt(2 * inner.rho), exactUpTo);
  const known = new Map<number, number>();
  const logMoment = (order: number): number => {
    if (order === 1) {
      return 0;
    }
    const before = known.get(order);
    const value = before ?? logMomentInteger(fraction, inner.rho, order, order <= exactUpTo ? moments : undefined);
    known.set(order, value);
    return value;
  };
  return (order) => {
    const low = Math.floor(order);
    const share = order - low;
    const moment = share === 0 ? logMoment(low) : (1 - share) * logMoment(low) + share * logMoment(low + 1);
    return moment / (order - 1);
  };
}

function logMomentInteger(fraction: number, rho: number, order: number, moments: Float64Array | undefined): number {
  const logFraction = Math.log(fraction);
  const sum = new LogSum();
  let logBinomial = Math.log(order);
  for (let i = 2; i <= order; i++) {
    logBinomial += Math.log((order - i + 1) / i);
    // min of 2·exp((i−1)·RDP(i)) and of what the moments allow
    let bound = Math.LN2 + (i - 1) * i * rho;
    if (i === 2) {
      bound = Math.min(bound, Math.log(4) + logExpm1(2 * rho));
    } else if (moments !== undefined) {
      const lower = moments[Math.floor(i / 2)] ?? 0;
      const upper = moments[Math.ceil(i / 2)] ?? 0;
      bound = Math.min(bound, Math.log(4) + (lower + upper) / 2);
    }
    sum.add(logBinomial + i * logFraction + bound);
  }
  return sum.log1p;
}

/**
 * ln E[(P/Q − 1)^l] under Q, for even l: P/Q is the likelihood ratio of two Gaussians `shift` standard deviations apart.
 *
 * @param shift sensitivity over σ
 * @param largest the largest moment needed
 * @returns entry m is for l = 2m
 */
function logCentralMoments(shift: number, largest: number): Float64Array {
  const moments = new Float64Array(Math.ceil(largest / 2) + 1);
  for (let m = 1; m < moments.length; m++) {
    moments[m] = shift < 1 ? momentByQuadrature(shift, 2 * m) : momentByExpansion(shift, 2 * m);
  }
  return moments;
}

/** Grid of the trapezoidal rule; for an integrand of Gaussian decay its error is below exp(−2π²·64), whatever l. */
const STEP = 1 / 8;
const REACH = 12;

/** All terms of the integrand are positive, so nothing cancels; its bulk lies between 0 and l·shift. */
function momentByQuadrature(shift: number, l: number): number {
  const sum = new LogSum();
  const end = l * shift + REACH;
  for (let y = -REACH; y <= end; y += STEP) {
    const ratio = Math.expm1(shift * y - (shift * shift) / 2);
    if (ratio !== 0) {
      sum.add(l * Math.log(Math.abs(ratio)) - (y * y) / 2);
    }
  }
  return sum.log + Math.log(STEP) - 0.5 * Math.log(2 * Math.PI);
}

/** Σ C(l,k) (−1)^(l−k) exp(k(k−1)·shift²/2): for a shift of 1 or more the top terms dominate, and nothing cancels. */
function momentByExpansion(shift: number, l: number): number {
  const sum = new LogSum();
  let logBinomial = 0;
  for (let k = l; k >= 0; k--) {
    sum.add(logBinomial + (k * (k - 1) * shift * shift) / 2, (l - k) % 2 === 0 ? 1 : -1);
    logBinomial += Math.log(k / (l - k + 1));
  }
  return sum.log;
}
