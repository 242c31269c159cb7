/** A normal variable. */
export interface Normal {
  readonly mean: number;
  readonly stdDev: number;
}

/** Points of Simpson's rule over ±SPAN standard deviations of each variable. */
const POINTS = 160;
const SPAN = 8;

/** Φ by the rational Chebyshev approximation of erfc, relative error below 1.2e-7 (Press et al., Numerical Recipes, §6.2). */
function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.5 * z);
  const series = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
  ].reduceRight((sum, each) => sum * t + each, 0);
  const tail = (t * Math.exp(-z * z + series)) / 2;
  return x >= 0 ? 1 - tail : tail;
}

/** The probability of each of some independent normal variables to be the largest; ties of constants are shared. */
export function largestOfNormals(variables: readonly Normal[]): readonly number[] {
  const spread = Math.max(...variables.map(({ stdDev }) => stdDev));
  const top = Math.max(...variables.map(({ mean }) => mean));
  if (!(spread > 0)) {
    const best = variables.filter(({ mean }) => mean === top).length;
    return variables.map(({ mean }) => (mean === top ? 1 / best : 0));
  }
  // A constant is a very narrow variable: there is then one rule for all.
  const widened = variables.map(({ mean, stdDev }) => ({ mean, stdDev: Math.max(stdDev, 1e-3 * spread) }));
  const parts = widened.map(({ mean, stdDev }, own) => {
    const step = (2 * SPAN) / POINTS;
    let sum = 0;
    for (let point = 0; point <= POINTS; point++) {
      const z = -SPAN + point * step;
      const weight = point === 0 || point === POINTS ? 1 : point % 2 === 1 ? 4 : 2;
      let density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
      for (const [at, other] of widened.entries()) {
        if (at !== own) density *= normalCdf((mean + z * stdDev - other.mean) / other.stdDev);
      }
      sum += weight * density;
    }
    return (sum * step) / 3;
  });
  const total = parts.reduce((sum, each) => sum + each, 0);
  return parts.map((each) => each / total);
}
