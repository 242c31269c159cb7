import type { EpsilonBound } from "../accountant.js";

/** The conversion from one order is not stable closer to 1 than this, and useless there. */
const SMALLEST_ORDER = 1.01;

/**
 * The smallest ε for which a Rényi curve implies (ε, δ)-differential privacy:
 * min over α of RDP(α) + ln(1 − 1/α) − ln(δα)/(α − 1).
 * Source: Canonne, Kamath, Steinke (2020), Proposition 12; for small divergence also Bretagnolle–Huber, δ² ≤ 1 − e^−KL.
 *
 * @param orders α, each above 1
 * @param rdp RDP(α), as many
 * @param delta above 0 and below 1
 */
export function epsilonFromRdp(orders: Float64Array, rdp: Float64Array, delta: number): EpsilonBound {
  let best = Number.POSITIVE_INFINITY;
  let optimalOrder: number | undefined;
  for (let i = 0; i < orders.length; i++) {
    const order = orders[i] ?? 0;
    const divergence = rdp[i] ?? 0;
    let epsilon = Number.POSITIVE_INFINITY;
    if (delta * delta + Math.expm1(-divergence) >= 0) {
      epsilon = 0;
    } else if (order > SMALLEST_ORDER) {
      epsilon = divergence + Math.log1p(-1 / order) - (Math.log(delta) + Math.log(order)) / (order - 1);
    }
    if (epsilon < best) {
      best = epsilon;
      optimalOrder = order;
    }
  }
  return optimalOrder === undefined ? { epsilon: best } : { epsilon: Math.max(0, best), optimalOrder };
}

/**
 * The smallest δ for which a Rényi curve implies (ε, δ)-differential privacy; the same inequalities, solved for δ.
 *
 * @param epsilon at least 0
 */
export function deltaFromRdp(orders: Float64Array, rdp: Float64Array, epsilon: number): number {
  let best = 0;
  for (let i = 0; i < orders.length; i++) {
    const order = orders[i] ?? 0;
    const divergence = rdp[i] ?? 0;
    let logDelta = divergence === 0 ? Number.NEGATIVE_INFINITY : 0.5 * Math.log1p(-Math.exp(-divergence));
    if (order > SMALLEST_ORDER) {
      const bound = (order - 1) * (divergence - epsilon + Math.log1p(-1 / order)) - Math.log(order);
      logDelta = Math.min(logDelta, bound);
    }
    best = Math.min(best, logDelta);
  }
  return Math.exp(best);
}
