import { averagingStep } from "../fedavg.js";
import { numberSettings, POSITIVE } from "../settings.js";
import {
  type Combine,
  type GroupSumStrategy,
  type PerUpdateStrategy,
  type StrategySettings,
  sameLength,
} from "../strategy.js";
import { bySortedCoordinate, medianOf, trimmedMeanOf } from "./order-statistics.js";

const LEARNING_RATE = { learningRate: { fallback: 1, ...POSITIVE } } as const;

const TRIM = { ...LEARNING_RATE, trimFraction: { fallback: 0.1, minimum: 0, maximum: 0.49 } } as const;

/** With fewer than three, a median is a mean. */
const LEAST = 3;

const median: Combine = (vectors) => bySortedCoordinate(vectors, medianOf);

function trimmedMean(fraction: number): Combine {
  return (vectors) => {
    const trimmed = Math.min(Math.ceil(fraction * vectors.length), Math.ceil(vectors.length / 2) - 1);
    return bySortedCoordinate(vectors, (sorted) => trimmedMeanOf(sorted, trimmed));
  };
}

/** A rule for each coordinate of single updates, or of sums of groups: their combination is stepped along. */
function byCoordinate<const Family extends (PerUpdateStrategy | GroupSumStrategy)["family"]>(
  family: Family,
  id: string,
  learningRate: number,
  combine: Combine,
): Omit<PerUpdateStrategy, "family"> & { readonly family: Family } {
  return {
    family,
    id,
    minimumVectors: LEAST,
    updateLength: sameLength,
    combine,
    apply: (result) => averagingStep(result, learningRate),
  };
}

/**
 * Coordinate-wise median (Yin et al. 2018, "Byzantine-robust distributed learning", definition 1): θ ← θ + η·median. Holds while
 * fewer than half of the updates are poisoned. Settings: `learningRate` η 1.
 */
export function coordinateMedian(settings: StrategySettings): PerUpdateStrategy {
  const { learningRate } = numberSettings("coordinate-median", settings, LEARNING_RATE);
  return byCoordinate("per-update", "coordinate-median", learningRate, median);
}

/**
 * Coordinate-wise trimmed mean (Yin et al. 2018, definition 2): of each coordinate's n values the ⌈βn⌉ smallest and as many
 * largest are left out, and the rest averaged. Holds while at most a part β of the updates is poisoned. Settings:
 * `learningRate` η 1, `trimFraction` β 0.1.
 */
export function trimmedMeanStrategy(settings: StrategySettings): PerUpdateStrategy {
  const { learningRate, trimFraction } = numberSettings("trimmed-mean", settings, TRIM);
  return byCoordinate("per-update", "trimmed-mean", learningRate, trimmedMean(trimFraction));
}

/**
 * The median over groups of secure sums: median of means (Nemirovski and Yudin 1983; Lecué and Lerasle 2020; over secure sums as
 * in Pillutla, Kakade and Harchaoui 2022, remark 1). Holds while fewer than half of the groups have a poisoned member, so that
 * groups want to be small, where noise for each group wants them large. Settings: `learningRate` η 1.
 */
export function groupMedian(settings: StrategySettings): GroupSumStrategy {
  const { learningRate } = numberSettings("group-median", settings, LEARNING_RATE);
  return byCoordinate("group-sum", "group-median", learningRate, median);
}

/** The trimmed mean over groups of secure sums. Settings: `learningRate` η 1, `trimFraction` of the groups at each end 0.1. */
export function groupTrimmedMean(settings: StrategySettings): GroupSumStrategy {
  const { learningRate, trimFraction } = numberSettings("group-trimmed-mean", settings, TRIM);
  return byCoordinate("group-sum", "group-trimmed-mean", learningRate, trimmedMean(trimFraction));
}
