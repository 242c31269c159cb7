import { chiSquareTail } from "../statistics/chiSquare.js";

/** Whether participants came into the arms in the shares they were meant to. */
export interface SampleRatio {
  readonly statistic: number;
  readonly pValue: number;
  /** The p-value is below the alarm's level: do not trust the experiment before the cause is found. */
  readonly isMismatch: boolean;
}

/**
 * Pearson's chi-square of noised counts. Without a mismatch it is a weighted sum of chi-squares, whose weights people and
 * noise make; its tail is that of Satterthwaite's match of two moments (1946), which is exact for equal shares.
 *
 * @param counts noised, for each arm
 * @param shares that participants should have fallen in, adding up to 1
 * @param noiseVariance of each count
 * @param alarm level, 0.001 unless told otherwise: an alarm stops an experiment
 */
export function sampleRatio(
  counts: readonly number[],
  shares: readonly number[],
  noiseVariance: number,
  alarm = 0.001,
): SampleRatio {
  const total = Math.max(
    counts.reduce((sum, count) => sum + count, 0),
    1,
  );
  const expected = shares.map((share) => share * total);
  const statistic = counts.reduce((sum, count, i) => sum + (count - (expected[i] ?? 0)) ** 2 / (expected[i] ?? 1), 0);
  // Covariance of the differences: n(diag π − ππᵀ) of people, v·PPᵀ of noise, P = I − π1ᵀ; here over the expected counts.
  let mean = 0;
  let second = 0;
  shares.forEach((a, i) => {
    shares.forEach((b, j) => {
      const isSame = i === j ? 1 : 0;
      const people = total * (isSame * a - a * b);
      const noise = noiseVariance * (isSame - a - b + a * b * shares.length);
      const covariance = people + noise;
      if (i === j) mean += covariance / (a * total);
      second += (covariance * covariance) / (a * b * total * total);
    });
  });
  const scale = second / mean;
  const pValue = chiSquareTail(statistic / scale, mean / scale);
  return { statistic, pValue, isMismatch: pValue < alarm };
}
