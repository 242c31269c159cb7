// How well scores tell labels apart, from two histograms of scores: that of rows labelled true, that of the others.
import { type Estimate, normalEstimate, ratioEstimate, smoothEstimate, within } from "./interval.js";
import type { ScoresQuery } from "./query.js";

/** A threshold of the score, and what it would do. */
export interface CurvePoint {
  /** Rows with at least this score are taken to be true. */
  readonly threshold: number;
  readonly precision: Estimate | null;
  readonly recall: Estimate | null;
  /** Part of the rows in the bin above the threshold that are true: what a calibrated score equals. */
  readonly calibration: Estimate | null;
  /** Rows in that bin, in participants. */
  readonly devices: number;
}

export interface ScoreQuality {
  /** P(score of a true row > score of a false row), ties counting half. */
  readonly auc: Estimate;
  readonly averagePrecision: Estimate;
  /** Mean label less mean score. */
  readonly calibrationGap: Estimate;
  readonly points: readonly CurvePoint[];
}

/**
 * Pairs of a bin in which the true row scores higher, beyond half of them: where true and false rows grow denser at different
 * rates from bin to bin, their densities within a bin are taken to bend the same way. Of densities 1 + a·u and 1 + b·u over
 * −½ … ½ it is (a − b)/12.
 */
function bend(sums: Float64Array, bins: number, i: number): number {
  if (i === 0 || i === bins - 1) return 0;
  const rise = (at: number): number => ((sums[at + 1] ?? 0) - (sums[at - 1] ?? 0)) / 2;
  return (rise(i) * (sums[bins + i] ?? 0) - rise(bins + i) * (sums[i] ?? 0)) / 12;
}

/** Mann and Whitney (1947) over bins. */
function auc(sums: Float64Array, bins: number): number {
  let below = 0;
  let wins = 0;
  let positives = 0;
  for (let i = 0; i < bins; i++) {
    const positive = sums[i] ?? 0;
    const negative = sums[bins + i] ?? 0;
    wins += positive * (below + negative / 2) + bend(sums, bins, i);
    below += negative;
    positives += positive;
  }
  return wins / (positives * below);
}

/** Σ (recall gained) · precision, from the highest bin down. */
function averagePrecision(sums: Float64Array, bins: number): number {
  let positives = 0;
  for (let i = 0; i < bins; i++) positives += sums[i] ?? 0;
  let truePositives = 0;
  let all = 0;
  let area = 0;
  for (let i = bins - 1; i >= 0; i--) {
    const positive = sums[i] ?? 0;
    truePositives += positive;
    all += positive + (sums[bins + i] ?? 0);
    if (all > 0) area += (positive / positives) * (truePositives / all);
  }
  return area;
}

function calibrationGap(sums: Float64Array, bins: number): number {
  let gap = 0;
  let all = 0;
  for (let i = 0; i < bins; i++) {
    const positive = sums[i] ?? 0;
    const count = positive + (sums[bins + i] ?? 0);
    gap += positive - (count * (i + 0.5)) / bins;
    all += count;
  }
  return gap / all;
}

/**
 * What bins hide of the AUC: rows within a bin are in any order (Mann and Whitney's variance of their pairs), and what is
 * taken for its bend may be wrong by as much.
 */
function tieVariance(sums: Float64Array, bins: number): number {
  let positives = 0;
  let negatives = 0;
  let variance = 0;
  for (let i = 0; i < bins; i++) {
    const positive = Math.max(sums[i] ?? 0, 0);
    const negative = Math.max(sums[bins + i] ?? 0, 0);
    positives += positive;
    negatives += negative;
    variance += (positive * negative * (positive + negative + 1)) / 12 + bend(sums, bins, i) ** 2;
  }
  return variance / (positives * negatives) ** 2;
}

/** @returns null when true or false rows cannot be told from none */
export function scoreQuality(
  { bins, minimumDevices }: Pick<ScoresQuery, "bins" | "minimumDevices">,
  sums: Float64Array,
  noiseVariance: number,
): ScoreQuality | null {
  const total = (from: number): number => sums.subarray(from, from + bins).reduce((sum, value) => sum + value, 0);
  const floor = Math.max(minimumDevices, 3 * Math.sqrt(bins * noiseVariance));
  if (total(0) < floor || total(bins) < floor) return null;
  const area = smoothEstimate((values) => auc(values, bins), sums, noiseVariance);
  return {
    auc: within(normalEstimate(area.value, area.noiseVariance + tieVariance(sums, bins)), 0, 1),
    averagePrecision: within(
      smoothEstimate((values) => averagePrecision(values, bins), sums, noiseVariance),
      0,
      1,
    ),
    calibrationGap: smoothEstimate((values) => calibrationGap(values, bins), sums, noiseVariance),
    points: curve(bins, sums, noiseVariance, minimumDevices),
  };
}

function curve(bins: number, sums: Float64Array, noiseVariance: number, minimumDevices: number): CurvePoint[] {
  const positives = sums.subarray(0, bins).reduce((sum, value) => sum + value, 0);
  const points: CurvePoint[] = [];
  let truePositives = 0;
  let falsePositives = 0;
  for (let i = bins - 1; i >= 0; i--) {
    const positive = sums[i] ?? 0;
    const negative = sums[bins + i] ?? 0;
    truePositives += positive;
    falsePositives += negative;
    const seen = (bins - i) * noiseVariance;
    const isShown = truePositives + falsePositives >= minimumDevices;
    points.unshift({
      threshold: i / bins,
      precision: isShown ? part(truePositives, falsePositives, seen) : null,
      recall: part(truePositives, positives - truePositives, seen, i * noiseVariance),
      calibration: positive + negative >= minimumDevices ? part(positive, negative, noiseVariance) : null,
      devices: Math.max(positive + negative, 0),
    });
  }
  return points;
}

/**
 * a / (a + b) with noise on a and on b: as a ratio a/b, by Fieller, mapped to the part that it is.
 */
function part(a: number, b: number, aVariance: number, bVariance = aVariance): Estimate | null {
  // The larger of the two is the safer denominator.
  const isFirst = a <= b;
  const ratio = isFirst ? ratioEstimate(a, b, aVariance, bVariance) : ratioEstimate(b, a, bVariance, aVariance);
  if (ratio === null) return null;
  const map = (r: number): number => (isFirst ? r / (1 + r) : 1 / (1 + r));
  const slope = 1 / (1 + ratio.value) ** 2;
  const [low, high] = ratio.interval.map((end) => map(Math.max(end, 0)));
  return within(
    {
      value: map(Math.max(ratio.value, 0)),
      noiseVariance: slope * slope * ratio.noiseVariance,
      interval: [Math.min(low ?? 0, high ?? 0), Math.max(low ?? 0, high ?? 0)],
    },
    0,
    1,
  );
}
