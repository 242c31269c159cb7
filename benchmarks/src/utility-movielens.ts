import { movielensWatchers, trainOnMovielens } from "./movielens/movielens.js";
import { NOISED_MOMENTS, PLAIN_MOMENTS } from "./movielens/regimes.js";
import { noiseForReleases } from "./private-sum.js";
import type { UtilityCase, UtilityOptions } from "./utility.js";
import { measured } from "./utility-case.js";

/** Recommending films by the leading eigenvectors of their second moments: trainer second-moments, strategy subspace-iteration. */
export async function movielensUtility(options: UtilityOptions): Promise<readonly UtilityCase[]> {
  const watchers = movielensWatchers();
  if (watchers === undefined) return [];
  const { rounds } = NOISED_MOMENTS;
  const measurement = {
    dataset: "MovieLens-1M",
    model: "eigenvectors of the second moments of items, by subspace iteration",
    metric: "HR@10",
    isHigherBetter: true,
    participants: watchers.length,
    releases: rounds,
    references: { "8": 0.582, "4": 0.531 },
    noiseMultiplierFor: (epsilon: number) => noiseForReleases(epsilon, rounds),
    async train(_: number, epsilon: number): Promise<number> {
      const regime = Number.isFinite(epsilon) ? NOISED_MOMENTS : PLAIN_MOMENTS;
      return (await trainOnMovielens(watchers, regime, epsilon, () => {})).hitRateAt10;
    },
  };
  return measured(measurement, options);
}
