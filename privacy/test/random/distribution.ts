/** Counts of integer samples against a probability function, as Pearson's statistic over cells of enough mass. */
export interface ChiSquare {
  readonly statistic: number;
  readonly degreesOfFreedom: number;
  /** (statistic − degrees of freedom) in standard deviations, by the Wilson–Hilferty cube root: close to normal. */
  readonly score: number;
}

/**
 * @param samples integers
 * @param probability P(x) for an integer x; only values in [−reach, reach] get own cells, the rest share one
 * @param reach largest magnitude with a cell of its own
 * @param minimum smallest expected count of a cell; neighbouring integers are merged up to it
 */
export function chiSquare(
  samples: Iterable<number>,
  probability: (x: number) => number,
  reach: number,
  minimum: number = 20,
): ChiSquare {
  const counts = new Float64Array(2 * reach + 1);
  let outside = 0;
  let total = 0;
  for (const sample of samples) {
    total += 1;
    if (Math.abs(sample) <= reach) {
      counts[sample + reach] = (counts[sample + reach] ?? 0) + 1;
    } else {
      outside += 1;
    }
  }
  let statistic = 0;
  let cells = 0;
  let seen = 0;
  let expected = 0;
  let covered = 0;
  for (let x = -reach; x <= reach; x++) {
    const p = probability(x);
    covered += p;
    seen += counts[x + reach] ?? 0;
    expected += total * p;
    if (expected >= minimum) {
      statistic += (seen - expected) ** 2 / expected;
      cells += 1;
      seen = 0;
      expected = 0;
    }
  }
  const restSeen = seen + outside;
  const restExpected = expected + total * Math.max(0, 1 - covered);
  if (restExpected >= 5) {
    statistic += (restSeen - restExpected) ** 2 / restExpected;
    cells += 1;
  } else {
    // Too little mass to test by itself; it must not hold noticeable counts either.
    statistic += restSeen > 30 ? Number.POSITIVE_INFINITY : 0;
  }
  const degreesOfFreedom = Math.max(1, cells - 1);
  const spread = 2 / (9 * degreesOfFreedom);
  const score = (Math.cbrt(statistic / degreesOfFreedom) - (1 - spread)) / Math.sqrt(spread);
  return { statistic, degreesOfFreedom, score };
}

/** @returns x ↦ P(x) of the discrete Gaussian with parameter sigma */
export function discreteGaussianProbability(sigma: number): (x: number) => number {
  let normaliser = 0;
  const reach = Math.ceil(40 * sigma) + 2;
  for (let x = -reach; x <= reach; x++) {
    normaliser += Math.exp(-(x * x) / (2 * sigma * sigma));
  }
  return (x) => Math.exp(-(x * x) / (2 * sigma * sigma)) / normaliser;
}
