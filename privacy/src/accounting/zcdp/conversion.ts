import { requirePositive } from "../../parameters.js";
import { requireDelta, requireEpsilon, roundedUp } from "../accountant.js";

/**
 * The ε that (ξ, ρ)-zero-concentrated differential privacy implies at δ: the least over all orders α > 1 of
 * ξ + ρα + ln(1 − 1/α) − ln(δα)/(α − 1). Its derivative, ρ + ln(δα)/(α − 1)², changes sign once.
 * Source: Canonne, Kamath, Steinke (2020), Proposition 12 (Bun and Steinke 2016 for ξ > 0).
 *
 * @param rho at least 0
 * @param delta at least 1e-12
 * @param xi at least 0
 * @throws PrivacyError INVALID_PARAMETER, DELTA_TOO_SMALL
 */
export function zcdpEpsilon(rho: number, delta: number, xi: number = 0): number {
  requireEpsilon(xi);
  requireDelta(delta);
  if (rho === 0 && xi === 0) {
    return 0;
  }
  if (rho === Number.POSITIVE_INFINITY) {
    return Number.POSITIVE_INFINITY;
  }
  if (rho !== 0) {
    requirePositive("rho", rho);
  }
  // Without ρ the bound falls all the way to order 1/δ.
  const order = 1 + crossing((above) => rho * above * above + Math.log(delta) + Math.log1p(above));
  const epsilon = xi + rho * order + Math.log1p(-1 / order) - (Math.log(delta) + Math.log(order)) / (order - 1);
  return roundedUp(Math.max(0, epsilon));
}

/**
 * The δ that (ξ, ρ)-zero-concentrated differential privacy implies at ε: the least over α > 1 of
 * exp((α−1)(ξ + ρα − ε))·(1 − 1/α)^α / (α − 1).
 *
 * @param rho at least 0
 * @param epsilon at least 0
 * @param xi at least 0
 * @throws PrivacyError INVALID_PARAMETER
 */
export function zcdpDelta(rho: number, epsilon: number, xi: number = 0): number {
  requireEpsilon(xi);
  requireEpsilon(epsilon);
  if (rho === 0 && xi <= epsilon) {
    return 0;
  }
  if (rho === Number.POSITIVE_INFINITY) {
    return 1;
  }
  if (rho !== 0) {
    requirePositive("rho", rho);
  }
  // d/dα of the logarithm: (2α − 1)ρ + ξ − ε + ln(1 − 1/α), rising in α
  const order = 1 + crossing((above) => (2 * above + 1) * rho + xi - epsilon + Math.log(above / (1 + above)));
  const logDelta = (order - 1) * (xi + rho * order - epsilon) + order * Math.log1p(-1 / order) - Math.log(order - 1);
  return Math.min(1, roundedUp(Math.exp(logDelta)));
}

/** The number above 0 where a rising function passes zero, to the last bits; within 1e-12 and 1e300. */
function crossing(rising: (value: number) => number): number {
  let low = Math.log(1e-12);
  let high = Math.log(1e300);
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    if (rising(Math.exp(middle)) < 0) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return Math.exp(high);
}
