// What the released sum of a query says: numbers with noise variance and interval, small cells withheld.

import { PrivacyError } from "../errors.js";
import { trieStep } from "./heavyHitters.js";
import { type Estimate, normalEstimate, ratioEstimate, scaledEstimate, within } from "./interval.js";
import { quantileEstimates } from "./quantiles.js";
import type { AnalyticsQuery, ExperimentQuery, MeanQuery, RatioQuery } from "./query.js";
import { type CurvePoint, scoreQuality } from "./scores.js";
import { contributionLength } from "./shape.js";

/** A noised sum over a cohort, as it was released. */
export interface NoisedSum {
  /** Σ of the contributions, noise included. */
  readonly sums: ArrayLike<number>;
  /** Of each coordinate: the noise, and what rounding to integers adds. */
  readonly noiseVariance: number;
  /** Participants in the sum. */
  readonly members: number;
}

/** A named result; null where fewer devices than the floor are behind it, or where noise leaves nothing to say. */
export interface NamedEstimate {
  readonly name: string;
  readonly estimate: Estimate | null;
}

/** Moments of an arm's outcome: noised sums of 1, x and x², x from −1 to 1 between the query's bounds. */
export interface ArmMoments {
  readonly arm: string;
  readonly sums: readonly [count: number, scaled: number, squared: number];
}

export interface AnalyticsResult {
  readonly kind: AnalyticsQuery["kind"];
  readonly members: number;
  /** Of each released sum. */
  readonly noiseVariance: number;
  readonly estimates: readonly NamedEstimate[];
  /** With kind "scores": the curves. */
  readonly curve?: readonly CurvePoint[];
  /** With kind "experiment". */
  readonly arms?: readonly ArmMoments[];
  /** With kind "heavy-hitters": what the next round follows. */
  readonly prefixes?: readonly string[];
}

/**
 * Reads a released sum. It is a function of what was released alone, so it costs no budget, and the same sum gives the
 * same result to the last bit.
 *
 * @throws PrivacyError WRONG_LENGTH
 */
export function analyticsResult(query: AnalyticsQuery, released: NoisedSum): AnalyticsResult {
  const { members, noiseVariance } = released;
  const length = contributionLength(query);
  if (released.sums.length !== length) {
    throw new PrivacyError("WRONG_LENGTH", `A ${query.kind} has ${length} sums, not ${released.sums.length}.`);
  }
  const sums = Float64Array.from(released.sums);
  return { kind: query.kind, members, noiseVariance, ...read(query, sums, released) };
}

type Read = Pick<AnalyticsResult, "estimates" | "curve" | "arms" | "prefixes">;

function read(query: AnalyticsQuery, sums: Float64Array, { members, noiseVariance }: NoisedSum): Read {
  const counted = (name: string, at: number): NamedEstimate => {
    const count = sums[at] ?? 0;
    return { name, estimate: count < query.minimumDevices ? null : count01(count, noiseVariance, members) };
  };
  switch (query.kind) {
    case "count":
      return { estimates: [counted("devices", 0)] };
    case "sum":
      return { estimates: [{ name: "sum", estimate: normalEstimate(sums[0] ?? 0, noiseVariance) }] };
    case "mean":
      return { estimates: means(query, sums, noiseVariance) };
    case "histogram":
      return {
        estimates: query.edges.slice(0, -1).map((edge, at) => counted(`${edge}–${query.edges[at + 1] ?? ""}`, at)),
      };
    case "categories":
      return { estimates: query.categories.map(counted) };
    case "votes":
      return { estimates: query.candidates.map(counted) };
    case "ratio":
      return { estimates: ratios(query, sums, noiseVariance) };
    case "quantiles": {
      const found = quantileEstimates(query, sums, noiseVariance);
      return { estimates: query.at.map((quantile, at) => ({ name: `q${quantile}`, estimate: found[at] ?? null })) };
    }
    case "scores": {
      const quality = scoreQuality(query, sums, noiseVariance);
      const { auc = null, averagePrecision = null, calibrationGap = null, points = [] } = quality ?? {};
      return {
        estimates: [
          { name: "auc", estimate: auc },
          { name: "averagePrecision", estimate: averagePrecision },
          { name: "calibrationGap", estimate: calibrationGap },
        ],
        curve: points,
      };
    }
    case "experiment":
      return experiment(query, sums, noiseVariance, members);
    case "heavy-hitters": {
      const { words, prefixes } = trieStep(query, sums, noiseVariance);
      return { estimates: words.map(({ word, devices }) => ({ name: word, estimate: devices })), prefixes };
    }
  }
}

/** A count of participants cannot be below 0 or above their number; the value stays as noised, so that sums are unbiased. */
function count01(count: number, noiseVariance: number, members: number): Estimate {
  const { value, interval } = normalEstimate(count, noiseVariance);
  return { value, noiseVariance, interval: within({ value, noiseVariance, interval }, 0, members).interval };
}

/** A mean of numbers from −1 to 1, on the scale of the query's bounds. */
function meanOf(
  { lower, upper, minimumDevices }: Pick<MeanQuery, "lower" | "upper" | "minimumDevices">,
  scaled: number,
  count: number,
  noiseVariance: number,
): Estimate | null {
  const ratio = count < minimumDevices ? null : ratioEstimate(scaled, count, noiseVariance, noiseVariance);
  const half = (upper - lower) / 2;
  return ratio === null ? null : within(scaledEstimate(ratio, half, lower + half), lower, upper);
}

function means(query: MeanQuery, sums: Float64Array, noiseVariance: number): NamedEstimate[] {
  const groups = query.by?.groups ?? ["mean"];
  return groups.map((name, at) => ({
    name,
    estimate: meanOf(query, sums[2 * at] ?? 0, sums[2 * at + 1] ?? 0, noiseVariance),
  }));
}

function ratios(query: RatioQuery, sums: Float64Array, noiseVariance: number): NamedEstimate[] {
  const among = sums[0] ?? 0;
  return Object.keys(query.parts).map((name, at) => {
    const ratio =
      among < query.minimumDevices ? null : ratioEstimate(sums[1 + at] ?? 0, among, noiseVariance, noiseVariance);
    return { name, estimate: ratio === null ? null : within(ratio, 0, 1) };
  });
}

function experiment(query: ExperimentQuery, sums: Float64Array, noiseVariance: number, members: number): Read {
  const arms = query.arms.map(
    (arm, at): ArmMoments => ({ arm, sums: [sums[3 * at] ?? 0, sums[3 * at + 1] ?? 0, sums[3 * at + 2] ?? 0] }),
  );
  const estimates = arms.flatMap(({ arm, sums: [count, scaled] }): NamedEstimate[] => {
    const isShown = count >= query.minimumDevices;
    return [
      { name: `${arm}.devices`, estimate: isShown ? count01(count, noiseVariance, members) : null },
      { name: `${arm}.mean`, estimate: meanOf(query, scaled, count, noiseVariance) },
    ];
  });
  return { estimates, arms };
}
