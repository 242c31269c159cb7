import type { Interactions, TrainerSettings } from "@fedloop/client-runtime";
import { type SumStep, strategyFor } from "@fedloop/coordinator/simulation";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { budgetFor, noiseForReleases, PrivateSum } from "../private-sum.js";
import { sharedData } from "../utility-case.js";
import {
  NOISED,
  NOISED_MOMENTS,
  PLAIN,
  PLAIN_MOMENTS,
  type Regime,
  SMALL,
  trainerOf,
  updateLengthOf,
} from "./regimes.js";
import { ITEMS, readWatchers } from "./watchers.js";

const DELTA = 1e-5;

/** Width of a quantised coordinate; of 6 040 users none's part is lost in the rounding. */
const BITS = 24;

/** How a federated recommender did on MovieLens-1M. */
export interface MovielensResult {
  readonly benchmark: "movielens";
  readonly trainer: Regime["trainer"];
  readonly epsilon: number | "none";
  readonly delta: number;
  readonly factors: number;
  readonly rounds: number;
  readonly noiseMultiplier: number;
  /** Of a participant in all training rounds, before masks. */
  readonly bytesUp: number;
  readonly hitRateAt10: number;
  readonly ndcgAt10: number;
  readonly cpuSeconds: number;
}

/** Small numbers around 0 to begin with, the same in every run; nothing rests on their being secret. */
function firstFactors(length: number, factors: number): Float32Array {
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state / 2 ** 31;
  };
  return Float32Array.from({ length }, () => (0.17 * (next() + next() + next())) / Math.sqrt(factors) / 3);
}

function textSettings(settings: Regime["settings"]): TrainerSettings {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
}

/** Most of an update is zeros, which stay zeros in the rounding. */
function addSparse(sum: PrivateSum, update: Float32Array): void {
  let count = 0;
  const all = new Int32Array(update.length);
  for (let at = 0; at < update.length; at++) if (update[at] !== 0) all[count++] = at;
  const places = all.subarray(0, count);
  sum.add(
    Float32Array.from(places, (at) => update[at] ?? 0),
    places,
  );
}

/** What a training reached, and took. */
export interface MovielensScore {
  readonly hitRateAt10: number;
  readonly ndcgAt10: number;
  readonly noiseMultiplier: number;
}

/** Trains in one process: clipping, integer noise, accountant and strategy as rounds have them. */
export async function trainOnMovielens(
  watchers: readonly Interactions[],
  regime: Regime,
  epsilon: number,
  report: (text: string) => void,
): Promise<MovielensScore> {
  const { factors, rounds, clipNorm, settings } = regime;
  const users = watchers.map((interactions) => trainerOf(regime, interactions));
  const isNoised = Number.isFinite(epsilon);
  const noiseMultiplier = isNoised ? noiseForReleases(epsilon, rounds) : 0;
  const strategy = strategyFor({ id: regime.strategy, settings: { ...settings, factors } });
  const dimension = updateLengthOf(regime);
  const budget = budgetFor(epsilon);
  const sum = new PrivateSum({ clipNorm, noiseMultiplier, dimension, bits: BITS, random: aesCtrRandom(), budget });
  const task = {
    manifest: [{ name: "items", shape: [ITEMS, factors] }],
    settings: textSettings(settings),
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
  };
  let model: SumStep = { parameters: firstFactors(ITEMS * factors, factors), state: new Float32Array(0) };
  for (let step = 1; step <= rounds; step++) {
    for (const user of users) {
      const { update } = await user.train({ ...task, parameters: model.parameters, updateLength: dimension });
      addSparse(sum, update);
    }
    const noiseStdDev = sum.noiseStdDev;
    const released = sum.release();
    model = strategy.apply({ ...model, sum: released, divisor: users.length, noiseStdDev, step, steps: rounds });
    report(`ε ${isNoised ? epsilon : "none"}, ${regime.trainer}: round ${step} of ${rounds}`);
  }
  let [hits, gain] = [0, 0];
  for (const user of users) {
    const [hit = 0, discounted = 0] = await user.evaluate({ ...task, parameters: model.parameters, updateLength: 3 });
    hits += hit;
    gain += discounted;
  }
  return { hitRateAt10: hits / users.length, ndcgAt10: gain / users.length, noiseMultiplier };
}

async function measure(
  watchers: readonly Interactions[],
  regime: Regime,
  epsilon: number,
  report: (text: string) => void,
): Promise<MovielensResult> {
  const begun = process.cpuUsage();
  const score = await trainOnMovielens(watchers, regime, epsilon, report);
  const { user, system } = process.cpuUsage(begun);
  const { trainer, factors, rounds } = regime;
  const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;
  return {
    benchmark: "movielens",
    trainer,
    epsilon: Number.isFinite(epsilon) ? epsilon : "none",
    delta: DELTA,
    factors,
    rounds,
    noiseMultiplier: rounded(score.noiseMultiplier),
    bytesUp: (rounds * updateLengthOf(regime) * BITS) / 8,
    hitRateAt10: rounded(score.hitRateAt10),
    ndcgAt10: rounded(score.ndcgAt10),
    cpuSeconds: Math.round((user + system) / 1e5) / 10,
  };
}

/** What each user watched; undefined where the data are not there. */
export function movielensWatchers(): readonly Interactions[] | undefined {
  const folder = sharedData("ml-1m");
  return folder === undefined ? undefined : readWatchers(folder);
}

/** The smallest training without noise that is measured; undefined where the data are not there. */
export async function smallMovielensBenchmark(report: (text: string) => void): Promise<MovielensResult | undefined> {
  const watchers = movielensWatchers();
  return watchers === undefined ? undefined : measure(watchers, SMALL, Number.POSITIVE_INFINITY, report);
}

/**
 * The two recommenders on MovieLens-1M in which every user is a participant whose factors stay on its device: the project's own
 * trainers, clipping, integer noise, accountant and strategies, in one process.
 *
 * @param epsilons for each participant in all rounds together; Infinity for none
 * @throws Error when the data are not there
 */
export async function movielensBenchmark(
  epsilons: readonly number[],
  report: (text: string) => void,
): Promise<readonly MovielensResult[]> {
  const watchers = movielensWatchers();
  if (watchers === undefined) {
    throw new Error(
      "expected MovieLens-1M in ../shared/data/ml-1m; FEDLOOP_DATA names another folder than ../shared/data",
    );
  }
  const results: MovielensResult[] = [];
  for (const epsilon of epsilons) {
    const regimes = Number.isFinite(epsilon) ? [NOISED_MOMENTS, NOISED] : [PLAIN_MOMENTS, PLAIN];
    for (const regime of regimes) results.push(await measure(watchers, regime, epsilon, report));
  }
  return results;
}
