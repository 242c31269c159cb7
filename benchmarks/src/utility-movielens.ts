import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { leadingEigenpairs } from "./leading-eigenvectors.js";
import { budgetFor, noiseForReleases, PrivateSum } from "./private-sum.js";
import type { UtilityCase, UtilityOptions } from "./utility.js";
import { measured, sharedData } from "./utility-case.js";

const ITEMS = 3706;
/** Eigenvectors that scores are made of, with noise and without: beyond the first few noise is all there is. */
const NOISED_RANK = 16;
const RANK = 48;
const TOP = 10;

interface Watcher {
  /** Ascending. */
  readonly items: Int32Array;
  /** The item held back, and 99 that the user has not seen. */
  readonly test: Int32Array;
}

function lines(path: string): string[] {
  return gunzipSync(readFileSync(path)).toString("utf8").trim().split("\n");
}

/** The split of Neural Collaborative Filtering (He et al. 2017). */
function readWatchers(folder: string): readonly Watcher[] {
  const tests = new Map<number, Int32Array>();
  for (const line of lines(join(folder, "ncf-ml-1m.test.negative.gz"))) {
    const [pair = "", ...negatives] = line.split("\t");
    const [user = 0, item = 0] = pair.replace(/[()]/g, "").split(",").map(Number);
    tests.set(user, Int32Array.of(item, ...negatives.map(Number)));
  }
  return lines(join(folder, "ncf-train.by-user.txt.gz")).map((line) => {
    const [user = 0, ...items] = line.trim().split(/\s+/).map(Number);
    return { items: Int32Array.from(items).sort(), test: tests.get(user) ?? new Int32Array(0) };
  });
}

/** Place of a pair of items in the upper triangle, diagonal included, row after row. */
function place(low: number, high: number): number {
  return low * ITEMS - (low * (low - 1)) / 2 + (high - low);
}

/** A user's contribution to the second moments: each of its pairs alike, with norm 1 whatever their number. */
function addMoments(sum: PrivateSum, { items }: Watcher): void {
  const pairs = (items.length * (items.length + 1)) / 2;
  const places = new Int32Array(pairs);
  let at = 0;
  for (let i = 0; i < items.length; i++) {
    for (let j = i; j < items.length; j++) places[at++] = place(items[i] ?? 0, items[j] ?? 0);
  }
  // A hair inside the clip, so that rounding to floats does not make it longer.
  sum.add(new Float32Array(pairs).fill((1 - 1e-6) / Math.sqrt(pairs)), places);
}

/** Share of users whose held-back item is among the ten best of a hundred; ties count against it. */
function hitRate(watchers: readonly Watcher[], vectors: readonly Float64Array[]): number {
  let hits = 0;
  for (const { items, test } of watchers) {
    const scores = new Float64Array(test.length);
    for (const vector of vectors) {
      let weight = 0;
      for (const item of items) weight += vector[item] ?? 0;
      test.forEach((item, i) => {
        scores[i] = (scores[i] ?? 0) + weight * (vector[item] ?? 0);
      });
    }
    const own = scores[0] ?? 0;
    let better = 0;
    for (let i = 1; i < scores.length; i++) better += (scores[i] ?? 0) >= own ? 1 : 0;
    if (better < TOP) hits += 1;
  }
  return hits / watchers.length;
}

/**
 * Recommending films: one release of the items' second moments, whose leading eigenvectors span what each device projects
 * its own history on (PureSVD: Cremonesi, Koren, Turrin 2010).
 */
export async function movielensUtility(options: UtilityOptions): Promise<readonly UtilityCase[]> {
  const folder = sharedData("ml-1m");
  if (folder === undefined) return [];
  const watchers = readWatchers(folder);
  const random = aesCtrRandom();
  const dimension = (ITEMS * (ITEMS + 1)) / 2;
  const measurement = {
    dataset: "MovieLens-1M",
    model: "second moments of items, one release; projection on their eigenvectors",
    metric: "HR@10",
    isHigherBetter: true,
    participants: watchers.length,
    releases: 1,
    references: { "8": 0.582, "4": 0.531 },
    noiseMultiplierFor: (epsilon: number) => noiseForReleases(epsilon, 1),
    async train(noiseMultiplier: number, epsilon: number): Promise<number> {
      const budget = budgetFor(epsilon);
      const sum = new PrivateSum({ clipNorm: 1, noiseMultiplier, dimension, bits: 26, random, budget });
      for (const watcher of watchers) addMoments(sum, watcher);
      const moments = sum.release();
      const matrix = new Float32Array(ITEMS * ITEMS);
      for (let i = 0; i < ITEMS; i++) {
        for (let j = i; j < ITEMS; j++) {
          const value = moments[place(i, j)] ?? 0;
          matrix[i * ITEMS + j] = value;
          matrix[j * ITEMS + i] = value;
        }
      }
      const rank = noiseMultiplier === 0 ? RANK : NOISED_RANK;
      return hitRate(watchers, leadingEigenpairs(matrix, ITEMS, rank).vectors);
    },
  };
  return measured(measurement, options);
}
