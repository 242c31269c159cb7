import { normalCdf } from "../numerics/erfc.js";
import { requireOpenUnit } from "../parameters.js";

export { normalCdf };

/** Standard deviations on both sides of a normal mean that hold 95 % of it. */
export const Z_95 = 1.959963984540054;

/** The number that a standard normal variable is below with a given probability: bisection on the distribution function. */
export function normalQuantile(probability: number): number {
  requireOpenUnit("probability", probability);
  let low = -40;
  let high = 40;
  for (let step = 0; step < 80; step++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

export function normalDensity(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/** The probability of a normal variable to be farther from its mean than so many standard deviations. */
export function twoSidedTail(z: number): number {
  return 2 * normalCdf(-Math.abs(z));
}
