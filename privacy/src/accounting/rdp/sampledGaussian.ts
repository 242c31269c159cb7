import { logErfc } from "../../numerics/erfc.js";
import { LogSum, logExpm1 } from "../logSum.js";

/**
 * How fractional orders are computed. The series of Mironov, Talwar and Zhang (2019), section 3.3, alternates in sign
 * from the term ⌈α⌉ on. "absolute" adds the magnitudes: an upper bound, and the convention of dp_accounting since 2024.
 * "signed" adds the terms as they are: the exact value, the convention of Opacus and of earlier versions.
 */
export type FractionalOrders = "absolute" | "signed";

/** A series that needs more terms is given up, and its order not used: dp_accounting's limits, so that answers agree. */
const MAX_TERMS = 1000;
/** Terms below e^-30 of the sum end a series. */
const NEGLIGIBLE = 30;
/** More than the rounding of a series: the moment is near 1 for small sampling probabilities, and its logarithm small. */
const ROUNDING = 2 ** -46;

/**
 * Rényi divergence of the Poisson-subsampled Gaussian mechanism at one order.
 *
 * @param q probability with which each participant is sampled, in [0, 1]
 * @param noiseMultiplier σ over sensitivity, above 0
 * @param order α > 1
 * @param fractional how orders that are not integers are computed
 * @returns an upper bound on RDP(α), infinite when the series does not converge
 */
export function sampledGaussianRdp(
  q: number,
  noiseMultiplier: number,
  order: number,
  fractional: FractionalOrders = "absolute",
): number {
  if (q === 0) {
    return 0;
  }
  const halfPrecision = 1 / (2 * noiseMultiplier * noiseMultiplier);
  if (!Number.isFinite(halfPrecision)) {
    return Number.POSITIVE_INFINITY;
  }
  if (q === 1) {
    return order * halfPrecision;
  }
  const logMoment = Number.isInteger(order)
    ? logMomentInteger(q, halfPrecision, order)
    : logMomentFractional(q, noiseMultiplier, order, fractional);
  // The moment is at least 1; rounding may bring its logarithm below 0 by an ulp.
  return Math.max(0, logMoment) / (order - 1);
}

/**
 * ln A(α) for integer α. A(α) = Σ C(α,i) (1−q)^(α−i) q^i exp((i²−i)/2σ²) (Mironov et al., section 3.3), and without the
 * exponential the terms sum to 1: summing with exp(…) − 1 instead gives A − 1 without cancellation.
 */
function logMomentInteger(q: number, halfPrecision: number, order: number): number {
  const logQ = Math.log(q);
  const logRest = Math.log1p(-q);
  const excess = new LogSum();
  let logBinomial = Math.log(order);
  for (let i = 2; i <= order; i++) {
    logBinomial += Math.log((order - i + 1) / i);
    excess.add(logBinomial + i * logQ + (order - i) * logRest + logExpm1(i * (i - 1) * halfPrecision));
  }
  return excess.log1p;
}

/** ln A(α) for fractional α: the two half-line integrals as series in erfc. */
function logMomentFractional(q: number, sigma: number, order: number, fractional: FractionalOrders): number {
  const logQ = Math.log(q);
  const logRest = Math.log1p(-q);
  const halfPrecision = 1 / (2 * sigma * sigma);
  const z0 = sigma * sigma * (logRest - logQ) + 0.5;
  const scale = 1 / (Math.SQRT2 * sigma);
  const sum = new LogSum();
  let logBinomial = 0;
  let sign = 1;
  let previousLower = Number.NEGATIVE_INFINITY;
  let previousUpper = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < MAX_TERMS; i++) {
    const j = order - i;
    const lower =
      logBinomial + i * logQ + j * logRest + i * (i - 1) * halfPrecision + logErfc((i - z0) * scale) - Math.LN2;
    const upper =
      logBinomial + j * logQ + i * logRest + j * (j - 1) * halfPrecision + logErfc((z0 - j) * scale) - Math.LN2;
    sum.add(lower, sign);
    sum.add(upper, sign);
    if (i > order && lower < previousLower && upper < previousUpper && Math.max(lower, upper) < sum.log - NEGLIGIBLE) {
      // Beyond i, both kinds of term fall at least as fast as |C(α, i)|, and Σ_(k>i) |C(α, k)| = |C(α, i)|·(i − α)/α.
      const rest = Math.log((i - order) / order);
      sum.add(lower + rest);
      sum.add(upper + rest);
      return sum.log + ROUNDING * (1 + Math.abs(sum.log));
    }
    previousLower = lower;
    previousUpper = upper;
    const ratio = (order - i) / (i + 1);
    logBinomial += Math.log(Math.abs(ratio));
    if (fractional === "signed" && ratio < 0) {
      sign = -sign;
    }
  }
  return Number.POSITIVE_INFINITY;
}

/**
 * Rényi divergence of any mechanism on a Poisson sample, at an integer order.
 * Source: Zhu and Wang, "Poisson Subsampled Rényi Differential Privacy" (2019), Theorem 5; and never above the
 * mechanism's own. As for the Gaussian, terms are summed without the 1 that they have in common.
 *
 * @param q probability with which each participant is sampled, in [0, 1]
 * @param rdp the mechanism's RDP at orders 2, 3, …
 * @param order an integer of at least 2
 */
export function sampledRdp(q: number, rdp: Float64Array, order: number): number {
  const own = rdp[order - 2] ?? Number.POSITIVE_INFINITY;
  if (q === 0 || own === 0) {
    return 0;
  }
  if (q === 1) {
    return own;
  }
  const logQ = Math.log(q);
  const logRest = Math.log1p(-q);
  const excess = new LogSum();
  let logBinomial = Math.log(order);
  for (let l = 2; l <= order; l++) {
    logBinomial += Math.log((order - l + 1) / l);
    const exponent = (l - 1) * (rdp[l - 2] ?? Number.POSITIVE_INFINITY);
    if (exponent === Number.POSITIVE_INFINITY) {
      return own;
    }
    if (exponent === 0 && l === 2) {
      continue;
    }
    // e^x − 1 for the second term, 3·e^x − 1 for those after it
    const factor = l === 2 ? logExpm1(exponent) : exponent + Math.log(3 - Math.exp(-exponent));
    excess.add(logBinomial + l * logQ + (order - l) * logRest + factor);
  }
  return Math.min(own, excess.log1p / (order - 1));
}
