// Has a distribution moved? Two noised histograms, compared by divergences that people know, against what people and
// noise alone would make of them.
import { chiSquareTail, weightedChiSquareThreshold } from "../statistics/chiSquare.js";

/** A noised histogram: counts of participants, with noise of one variance on each. */
export interface NoisedHistogram {
  readonly counts: readonly number[];
  readonly noiseVariance: number;
}

/** A divergence, and what it has to exceed to be more than chance and noise. */
export interface Divergence {
  readonly value: number;
  readonly threshold: number;
}

export interface Drift {
  /** In bits, 0 to 1 (Lin 1991). */
  readonly jensenShannon: Divergence;
  /** Σ (p − q)·ln(p/q): the population stability index. */
  readonly stabilityIndex: Divergence;
  /** That chance and noise alone make so large a difference. */
  readonly pValue: number;
  readonly isDrift: boolean;
  /** Bins that were compared: those with too few people for their noise were put together. */
  readonly bins: number;
}

/** Chance of an alarm where nothing has moved: well below 1 in 100, since few alarms are acted on alone. */
const FALSE_ALARM = 0.005;

/** A bin needs so many noise deviations of people, in both histograms together, to be compared by itself. */
const FEWEST_DEVIATIONS = 6;
/** And so many people, for its count to be nearly normal. */
const FEWEST_PEOPLE = 20;
/** A share for logarithms: noise can take a count below 0. */
const LEAST_SHARE = 1e-6;

/** What a bin, or several together, needs of people in both histograms to be compared. */
function fewestIn(bins: number, noiseVariance: number): number {
  return Math.max(FEWEST_PEOPLE, FEWEST_DEVIATIONS * Math.sqrt(bins * noiseVariance));
}

/**
 * How many participants each of two histograms needs for anything to be compared, if they fall evenly into two halves of the
 * bins.
 *
 * @param noiseVariance of a count, in both histograms together
 */
export function fewestToCompare(bins: number, noiseVariance: number): number {
  return Math.ceil(fewestIn(Math.max(bins / 2, 1), noiseVariance));
}

/** Bins from the left put together until each has people enough; what is left over joins the last. */
function merged(histograms: readonly [NoisedHistogram, NoisedHistogram]): [NoisedHistogram[], number[]] {
  const [a, b] = histograms;
  const sums: [number, number, number][] = [];
  let open: [number, number, number] = [0, 0, 0];
  const isEnough = ([x, y, bins]: readonly [number, number, number]): boolean =>
    x + y >= fewestIn(bins, a.noiseVariance + b.noiseVariance);
  a.counts.forEach((count, i) => {
    open = [open[0] + count, open[1] + (b.counts[i] ?? 0), open[2] + 1];
    if (!isEnough(open)) return;
    sums.push(open);
    open = [0, 0, 0];
  });
  const last = sums.pop();
  if (last !== undefined) sums.push([last[0] + open[0], last[1] + open[1], last[2] + open[2]]);
  const of = (side: 0 | 1): number[] => sums.map((sum) => sum[side]);
  return [
    [
      { counts: of(0), noiseVariance: a.noiseVariance },
      { counts: of(1), noiseVariance: b.noiseVariance },
    ],
    sums.map(([, , bins]) => bins),
  ];
}

/**
 * Compares two histograms over the same bins. For small differences both divergences are Σ dᵢ²/mᵢ times a constant, d the
 * difference of shares and m their mean. Without drift d is normal: its covariance is that of people drawn anew,
 * (diag p − ppᵀ)/n, and of the noise on counts, v·(I − p1ᵀ)(I − p1ᵀ)ᵀ/n², of both sides; so the sum is a weighted
 * chi-square, and the thresholds are its quantile (Satterthwaite 1946).
 *
 * @param falseAlarm chance of an alarm where nothing has moved, 0.005 unless told otherwise
 * @returns null when the noise leaves fewer than two bins to compare
 */
export function driftBetween(
  reference: NoisedHistogram,
  present: NoisedHistogram,
  falseAlarm: number = FALSE_ALARM,
): Drift | null {
  const [[before, after] = [], widths] = merged([reference, present]);
  if (before === undefined || after === undefined || before.counts.length < 2) return null;
  const n = total(before);
  const m = total(after);
  if (!(n > 0 && m > 0)) return null;
  const p = before.counts.map((count) => Math.max(count / n, LEAST_SHARE));
  const q = after.counts.map((count) => Math.max(count / m, LEAST_SHARE));
  const mean = p.map((share, i) => (share * n + (q[i] ?? 0) * m) / (n + m));
  const statistic = before.counts.reduce(
    (sum, count, i) => sum + (count / n - (after.counts[i] ?? 0) / m) ** 2 / (mean[i] ?? 1),
    0,
  );
  // Two moments of the weights are all that the fit takes: as many equal ones as have them.
  const [first, second] = weightsOf(mean, widths, [
    [n, before.noiseVariance],
    [m, after.noiseVariance],
  ]);
  const degrees = (first * first) / second;
  const scale = second / first;
  const threshold = weightedChiSquareThreshold(falseAlarm, first, second);
  const pValue = chiSquareTail(statistic / scale, degrees);
  return {
    jensenShannon: { value: jensenShannon(p, q), threshold: threshold / (8 * Math.LN2) },
    stabilityIndex: {
      value: p.reduce((sum, share, i) => sum + (share - (q[i] ?? 0)) * Math.log(share / (q[i] ?? 1)), 0),
      threshold,
    },
    pValue,
    isDrift: pValue < falseAlarm,
    bins: p.length,
  };
}

/** Releases over different participants that are looked at together: noise adds up slower than people. */
const MOST_POOLED = 3;

/**
 * Drift at the newest of several releases: of it alone, which sees a sudden shift at once, and of the last three together,
 * which see a smaller one. Each has half of the false alarms.
 *
 * @param recent releases after the reference, oldest first
 */
export function driftAtNewest(
  reference: NoisedHistogram,
  recent: readonly NoisedHistogram[],
  falseAlarm: number = FALSE_ALARM,
): Drift | null {
  const newest = recent.at(-1);
  if (newest === undefined) return null;
  const alone = driftBetween(reference, newest, falseAlarm / 2);
  if (recent.length === 1 || alone?.isDrift === true) return alone;
  const last = recent.slice(-MOST_POOLED);
  const together: NoisedHistogram = {
    counts: newest.counts.map((_, i) => last.reduce((sum, { counts }) => sum + (counts[i] ?? 0), 0)),
    noiseVariance: last.reduce((sum, { noiseVariance }) => sum + noiseVariance, 0),
  };
  return driftBetween(reference, together, falseAlarm / 2) ?? alone;
}

function total({ counts }: NoisedHistogram): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function jensenShannon(p: readonly number[], q: readonly number[]): number {
  return p.reduce((sum, share, i) => {
    const other = q[i] ?? 0;
    const middle = (share + other) / 2;
    return sum + (share * Math.log2(share / middle) + other * Math.log2(other / middle)) / 2;
  }, 0);
}

/** Σ wᵢ and Σ wᵢ² of the eigenvalues of diag(1/m)·C, C the covariance of the difference of shares. */
function weightsOf(
  shares: readonly number[],
  widths: readonly number[],
  sides: readonly (readonly [people: number, noiseVariance: number])[],
): readonly [number, number] {
  const all = widths.reduce((sum, width) => sum + width, 0);
  let first = 0;
  let second = 0;
  shares.forEach((a, i) => {
    shares.forEach((b, j) => {
      const isSame = i === j ? 1 : 0;
      let covariance = 0;
      for (const [people, noiseVariance] of sides) {
        covariance += (isSame * a - a * b) / people;
        const noise = isSame * (widths[i] ?? 1) - a * (widths[j] ?? 1) - b * (widths[i] ?? 1) + a * b * all;
        covariance += (noise * noiseVariance) / (people * people);
      }
      if (i === j) first += covariance / a;
      second += (covariance * covariance) / (a * b);
    });
  });
  return [first, second];
}
