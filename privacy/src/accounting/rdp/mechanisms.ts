import type { DistributedDiscreteGaussianEvent, SkellamEvent } from "../events.js";
import { LogSum, log1pExp } from "../logSum.js";
import type { NeighbouringRelation } from "../relation.js";

/**
 * Laplace noise, exactly: Mironov, "Rényi Differential Privacy" (2017), Proposition 6.
 *
 * @param epsilon sensitivity over scale
 */
export function laplaceRdp(epsilon: number, order: number): number {
  if (epsilon === 0) {
    return 0;
  }
  const inner = ((order - 1) * Math.expm1(epsilon * (1 - 2 * order))) / (2 * order - 1);
  return epsilon + Math.log1p(inner) / (order - 1);
}

/** Any ε-differentially private mechanism, by randomized response, which dominates it: Mironov (2017), Proposition 6. */
export function pureRdp(epsilon: number, order: number): number {
  return (epsilon * order + log1pExp(epsilon * (1 - 2 * order)) - log1pExp(epsilon)) / (order - 1);
}

/**
 * The exponential mechanism, whose privacy loss has range ε: Durfee and Rogers (2019) as a Rényi bound, Cesar and
 * Rogers (2020), section 3; and never more than ε.
 */
export function exponentialRdp(epsilon: number, order: number): number {
  if (epsilon === 0) {
    return 0;
  }
  // KL = q − 1 − ln q with q = ε/(e^ε − 1) at order 1, then a slope of ε²/8. The difference KL − ε²/8 is negative, about
  // −ε⁴/576; where it would cancel to noise, zero is the bound.
  const expm1 = Math.expm1(Math.min(epsilon, 700));
  const logExpm1 = epsilon > 700 ? epsilon : Math.log(expm1);
  const kl = epsilon / expm1 - 1 - Math.log(epsilon) + logExpm1;
  const xi = epsilon < 0.01 ? 0 : kl - (epsilon * epsilon) / 8;
  return Math.min(xi + ((epsilon * epsilon) / 8) * order, epsilon);
}

/**
 * k-ary randomized response, exactly: the divergence between the answer distributions of two true answers
 * (replace-one), or of a true answer and the uniform distribution, the larger way round (replace-special).
 *
 * @param noise probability p of a uniform answer
 * @param buckets k
 */
export function randomizedResponseRdp(
  noise: number,
  buckets: number,
  order: number,
  relation: NeighbouringRelation,
): number {
  if (buckets === 1 || noise === 1) {
    return 0;
  }
  if (noise === 0) {
    return Number.POSITIVE_INFINITY;
  }
  const logOther = Math.log(noise / buckets);
  const logTrue = Math.log(1 - noise + noise / buckets);
  if (relation === "replace-one") {
    const sum = new LogSum();
    sum.add(order * logTrue + (1 - order) * logOther);
    sum.add(order * logOther + (1 - order) * logTrue);
    if (buckets > 2) {
      sum.add(Math.log(buckets - 2) + logOther);
    }
    return Math.max(0, sum.log) / (order - 1);
  }
  const logUniform = -Math.log(buckets);
  const direction = (power: number): number => {
    const sum = new LogSum();
    sum.add(power * (logTrue - logUniform) + logUniform);
    sum.add(power * (logOther - logUniform) + Math.log(1 - 1 / buckets));
    return sum.log;
  };
  return Math.max(0, direction(order), direction(1 - order)) / (order - 1);
}

/**
 * Skellam noise of variance μ, at an integer order: αΔ₂²/2μ + min{((2α − 1)Δ₂² + 6Δ₁)/4μ², 3Δ₁/2μ}.
 * Source: Agarwal, Kairouz, Liu, "The Skellam Mechanism for Differentially Private Federated Learning" (2021);
 * for integer sensitivities and integer orders.
 */
export function skellamRdp(event: SkellamEvent, order: number): number {
  const variance = event.noiseStdDev * event.noiseStdDev;
  const l2 = event.l2Sensitivity * event.l2Sensitivity;
  const l1 = event.l1Sensitivity;
  const excess = Math.min(((2 * order - 1) * l2 + 6 * l1) / (4 * variance * variance), (3 * l1) / (2 * variance));
  return (order * l2) / (2 * variance) + excess;
}

/**
 * The sum of n discrete Gaussians of parameter σ: it is within a factor e^±τ of a discrete Gaussian of parameter σ√n in each
 * coordinate, with τ = 10·Σ_(k<n) exp(−2π²σ²·k/(k + 1)).
 * Source: Kairouz, Liu, Steinke (2021), Theorem 1 (τ) and Proposition 14 (the three bounds, all linear in the order).
 */
export function distributedDiscreteGaussianRdp(event: DistributedDiscreteGaussianEvent): (order: number) => number {
  const { noiseStdDev, devices, l1Sensitivity, l2Sensitivity, dimension } = event;
  const exponent = 2 * Math.PI * Math.PI * noiseStdDev * noiseStdDev;
  let tau = 0;
  for (let k = 1; k < devices; k++) {
    const term = Math.exp((-exponent * k) / (k + 1));
    // The terms fall towards e^−exponent: from here on the first bounds all that are left.
    if (k === MOST_TERMS) {
      tau += (devices - k) * term;
      break;
    }
    tau += term;
  }
  tau *= 10;
  const total = noiseStdDev * Math.sqrt(devices);
  const l2 = l2Sensitivity / total;
  const l1 = l1Sensitivity / total;
  const slope = Math.min(l2 * l2 + 2 * l1 * tau + tau * tau * dimension, (l2 + Math.sqrt(dimension) * tau) ** 2) / 2;
  return (order) => Math.min((order * l2 * l2) / 2 + tau * dimension, order * slope);
}

const MOST_TERMS = 100_000;
