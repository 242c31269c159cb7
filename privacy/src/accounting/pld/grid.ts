import { PrivacyError } from "../../errors.js";
import { RDP_ORDERS } from "../rdp/accountant.js";
import { deltaFromRdp, epsilonFromRdp } from "../rdp/conversion.js";
import { type Atoms, bucketed, bucketStride, greatestCommonDivisor, largestLoss, split } from "./atoms.js";
import type { Breakdown, Component } from "./components.js";
import { type ComposedLoss, commonStride, compose, windowLength } from "./composition.js";
import { connectTheDots } from "./connectTheDots.js";
import type { LossMass } from "./lossMass.js";
import { LossRange, type Repeated } from "./lossRange.js";
import { GaussianTails, type LossTails, roughMoments } from "./lossTails.js";
import { lossFromProfile } from "./profile.js";

/** The finest grid, and the one on which atoms are bucketed: that of dp_accounting. */
export const FINEST_INTERVAL = 1e-4;

/** Relative error in ε that a coarser grid may cause, as estimated; the result is an upper bound whatever it is. */
const COARSENING = 2e-5;

/** Longest transform; a longer one would take over a second. */
const LONGEST_WINDOW = 2 ** 20;

/** Most grid points of one mechanism. */
const MOST_POINTS = 2 ** 19;

/** Losses beyond this are not put on a grid: e^loss is far from anything a double holds. */
const LARGEST_LOSS = 1e6;

/** What the distribution of the whole composition gives, one entry a direction. */
export interface GridResult {
  /** About how much of ε is due to the grid. */
  readonly slack: number;
  readonly directions: readonly { readonly loss: ComposedLoss; readonly range: LossRange }[];
}

interface Source {
  readonly component: Component;
  readonly count: number;
}

/**
 * Puts everything on one grid and convolves it.
 *
 * @returns undefined when the losses are too large for a grid
 * @throws PrivacyError TOO_COSTLY
 */
export function composeOnGrid(breakdown: Breakdown): GridResult | undefined {
  const sources: Source[] = [...breakdown.components.values()];
  if (breakdown.gaussianRho > 0) {
    const tails = new GaussianTails(1 / Math.sqrt(2 * breakdown.gaussianRho));
    sources.push({ component: { type: "tails", remove: tails, add: undefined, jumps: undefined }, count: 1 });
  }
  const widest = sources.reduce((most, { component }) => Math.max(most, extent(component)), 0);
  if (!(widest <= LARGEST_LOSS)) {
    return undefined;
  }
  let { interval, bucketEvery } = chooseGrid(sources);
  const profile = hasProfile(breakdown) ? profileExtent(breakdown) : 0;
  if (!(profile <= LARGEST_LOSS)) {
    return undefined;
  }
  if (interval < (2 * profile) / MOST_POINTS) {
    interval = (2 * profile) / MOST_POINTS;
    bucketEvery = undefined;
  }
  for (let attempt = 0; attempt < 60; attempt++) {
    const grid = { interval, bucketEvery };
    const remove = sources.map((source) => repeated(source, "remove", grid));
    const asymmetric = sources.some(({ component }) => component.add !== undefined);
    const add = asymmetric ? sources.map((source) => repeated(source, "add", grid)) : undefined;
    if (profile > 0) {
      const part = { loss: profileLoss(breakdown, interval, profile), count: 1 };
      remove.push(part);
      add?.push(part);
    }
    const lists = add === undefined ? [remove] : [remove, add];
    const ranges = lists.map((parts) => new LossRange(parts));
    const stride = commonStride(lists.flat());
    const needed = Math.max(...ranges.map((range) => windowLength(range, interval, stride)));
    if (needed <= LONGEST_WINDOW) {
      const composed = singleOrComposed(remove, add, ranges);
      const bucketed = bucketEvery === undefined ? 0 : FINEST_INTERVAL / 2;
      const slack = sources.reduce(
        (sum, { component, count }) => sum + count * (component.type === "atoms" ? bucketed : interval ** 2 / 8),
        0,
      );
      return {
        slack,
        directions: composed.map((loss, i) => {
          const range = ranges[i];
          if (range === undefined) {
            throw new RangeError("one range a direction");
          }
          return { loss, range };
        }),
      };
    }
    interval *= 2 ** Math.max(1, Math.floor(Math.log2(needed / LONGEST_WINDOW)));
    bucketEvery = undefined;
    if (interval > 50) {
      return undefined;
    }
  }
  throw new PrivacyError("TOO_COSTLY", 'This composition fits no grid of losses. Use the "rdp" accountant.');
}

function singleOrComposed(
  remove: readonly Repeated[],
  add: readonly Repeated[] | undefined,
  ranges: readonly LossRange[],
): readonly ComposedLoss[] {
  const [only, ...others] = remove;
  if (only !== undefined && others.length === 0 && only.count === 1) {
    return (add === undefined ? [only] : [only, ...add]).map(({ loss }) => ({ ...loss, stride: 1 }));
  }
  const composed = compose(remove, add, ranges);
  return composed.add === undefined ? [composed.remove] : [composed.remove, composed.add];
}

function repeated(source: Source, direction: "remove" | "add", { interval, bucketEvery }: Grid): Repeated {
  const { component, count } = source;
  if (component.type === "tails") {
    return { loss: connectTheDots(tailsOf(component, direction), interval), count };
  }
  const atoms: Atoms = direction === "add" ? (component.add ?? component.remove) : component.remove;
  const loss = bucketEvery === undefined ? split(atoms, interval) : bucketed(atoms, FINEST_INTERVAL, bucketEvery);
  return { loss, count };
}

function tailsOf(component: Component & { readonly type: "tails" }, direction: "remove" | "add"): LossTails {
  return direction === "add" ? (component.add ?? component.remove) : component.remove;
}

/** The largest magnitude of a finite loss. */
function extent(component: Component): number {
  if (component.type === "atoms") {
    return Math.max(largestLoss(component.remove), largestLoss(component.add ?? component.remove));
  }
  return [component.remove, component.add ?? component.remove].reduce(
    (most, { lowest, highest }) => Math.max(most, Math.abs(lowest), Math.abs(highest)),
    0,
  );
}

interface Grid {
  readonly interval: number;
  /** Atoms move up to the finest grid, of which this one has every so many points; undefined: they are split instead. */
  readonly bucketEvery: number | undefined;
}

/**
 * The interval of the grid. Connecting dots keeps both masses of every cell, so that it adds at most interval²/8 to the
 * mean loss of each of T compositions, and interpolates a curve whose scale is the standard deviation s of the total:
 * ε grows by about (T + 8/s)·interval²/8. Where a distribution has jumps, the same holds only if they lie on the grid or
 * are smoothed by others.
 */
function chooseGrid(sources: readonly Source[]): Grid {
  let finest = 0;
  let mean = 0;
  let variance = 0;
  let smoothVariance = 0;
  let compositions = 0;
  let bucketStep = 0;
  let atomic = false;
  const periods = new Set<number>();
  for (const { component, count } of sources) {
    if (component.type === "atoms") {
      atomic = true;
      for (const atoms of [component.remove, component.add ?? component.remove]) {
        bucketStep = greatestCommonDivisor(bucketStep, bucketStride(atoms, FINEST_INTERVAL));
      }
      continue;
    }
    const { lowest, highest } = component.remove;
    const rough = roughMoments(component.remove);
    mean += count * Math.abs(rough.mean);
    variance += count * rough.variance;
    compositions += count;
    finest = Math.max(finest, (highest - lowest) / MOST_POINTS);
    if (component.jumps === undefined) {
      smoothVariance += count * rough.variance;
    } else {
      periods.add(component.jumps);
    }
  }
  const deviation = Math.sqrt(variance);
  const estimate = Math.sqrt((8 * COARSENING * (mean + deviation)) / (compositions + 8 / deviation));
  const wanted = Math.max(FINEST_INTERVAL, finest, Number.isFinite(estimate) ? estimate : 0);
  if (atomic) {
    if (finest > FINEST_INTERVAL) {
      return { interval: finest, bucketEvery: undefined };
    }
    const every = periods.size > 0 ? 1 : divisorUpTo(bucketStep, Math.floor(wanted / FINEST_INTERVAL));
    return { interval: FINEST_INTERVAL * every, bucketEvery: every };
  }
  const interval = FINEST_INTERVAL * 2 ** Math.floor(Math.log2(wanted / FINEST_INTERVAL));
  const [period] = periods;
  if (period === undefined || Math.sqrt(smoothVariance) > 20 * interval) {
    return { interval, bucketEvery: undefined };
  }
  if (periods.size === 1 && period > 0 && wanted > FINEST_INTERVAL) {
    return { interval: period / Math.ceil(period / wanted), bucketEvery: undefined };
  }
  return { interval: Math.max(FINEST_INTERVAL, finest), bucketEvery: undefined };
}

/** The largest divisor of a number that is at most a limit; any number up to the limit when the number is 0. */
function divisorUpTo(number: number, limit: number): number {
  if (number === 0) {
    return limit;
  }
  for (let divisor = Math.min(limit, number); divisor > 1; divisor--) {
    if (number % divisor === 0) {
      return divisor;
    }
  }
  return 1;
}

function hasProfile(breakdown: Breakdown): boolean {
  return breakdown.logKept < 0 || breakdown.rdp.some((value) => value > 0);
}

const ORDERS: Float64Array = Float64Array.from(RDP_ORDERS);

/** Where the profile's δ is negligible. */
function profileExtent(breakdown: Breakdown): number {
  return epsilonFromRdp(ORDERS, breakdown.rdp, 1e-20).epsilon;
}

function profileLoss(breakdown: Breakdown, interval: number, extentOfProfile: number): LossMass {
  const failed = -Math.expm1(breakdown.logKept);
  const bound = (epsilon: number): number => {
    const delta = deltaFromRdp(ORDERS, breakdown.rdp, epsilon);
    return delta + failed - delta * failed;
  };
  return lossFromProfile(bound, interval, Math.max(1, Math.ceil(extentOfProfile / interval)));
}
