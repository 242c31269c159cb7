import { requirePositive } from "../parameters.js";

/** ln Γ(x) for x > 0, by Stirling's series after shifting x above 10. */
function logGamma(x: number): number {
  let shift = 0;
  let at = x;
  while (at < 10) {
    shift += Math.log(at);
    at += 1;
  }
  const square = 1 / (at * at);
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / at;
  return (at - 0.5) * Math.log(at) - at + Math.log(2 * Math.PI) / 2 + series - shift;
}

/**
 * The probability that a chi-square variable exceeds a value: the upper regularised incomplete gamma function, by its
 * series below the mean and by Lentz's continued fraction above (Abramowitz and Stegun 6.5.29, 6.5.31).
 *
 * @param degrees of freedom, above 0; need not be whole
 */
export function chiSquareTail(value: number, degrees: number): number {
  requirePositive("degrees", degrees);
  if (!(value > 0)) return 1;
  const a = degrees / 2;
  const x = value / 2;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 10_000 && term > sum * 1e-16; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(1 - front * sum, 0);
  }
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < 10_000; n++) {
    const an = -n * (n - a);
    b += 2;
    d = 1 / (Math.abs(an * d + b) < tiny ? tiny : an * d + b);
    c = Math.abs(b + an / c) < tiny ? tiny : b + an / c;
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * fraction;
}

/** The value that a chi-square variable exceeds with a given probability. */
export function chiSquareThreshold(tail: number, degrees: number): number {
  let low = 0;
  let high = degrees + 10;
  while (chiSquareTail(high, degrees) > tail) high *= 2;
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2;
    if (chiSquareTail(middle, degrees) > tail) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * The value that Σ wᵢ·χ²₁ exceeds with a given probability, by Satterthwaite's match of mean and variance (1946): exact for
 * weights of one size.
 *
 * @param sum Σ wᵢ
 * @param squares Σ wᵢ²
 */
export function weightedChiSquareThreshold(tail: number, sum: number, squares: number): number {
  return squares === 0 ? 0 : (squares / sum) * chiSquareThreshold(tail, (sum * sum) / squares);
}
