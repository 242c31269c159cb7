// What a recommender reaches whose user factors never leave the device, where the data are there.
import t from "tap";
import { movielensWatchers, smallMovielensBenchmark, trainOnMovielens } from "../movielens/movielens.js";
import { NOISED_MOMENTS } from "../movielens/regimes.js";

t.setTimeout(600_000);

t.test("MovieLens-1M without noise: at least .70 of the held films are among the first ten, NDCG .42", async (t) => {
  // The same numbers in every run: nothing is drawn but the beginning, from a fixed seed.
  const result = await smallMovielensBenchmark((text) => t.comment(text));
  if (result === undefined) {
    t.comment("MovieLens-1M is absent");
    return;
  }
  t.ok(result.hitRateAt10 >= 0.7, `HR@10 ${result.hitRateAt10}`);
  t.ok(result.ndcgAt10 >= 0.42, `NDCG@10 ${result.ndcgAt10}`);
  t.equal(result.epsilon, "none");
});

t.test(
  "MovieLens-1M under a budget: above .60 at ε = 8 and .53 at ε = 2, where popularity alone has .452",
  async (t) => {
    const watchers = movielensWatchers();
    if (watchers === undefined) {
      t.comment("MovieLens-1M is absent");
      return;
    }
    // Over draws of the noise the means are .620 and .552 with a standard deviation of .0035: both bounds lie more than five below.
    for (const [epsilon, least] of [
      [8, 0.6],
      [2, 0.53],
    ] as const) {
      const { hitRateAt10 } = await trainOnMovielens(watchers, NOISED_MOMENTS, epsilon, (text) => t.comment(text));
      t.ok(hitRateAt10 >= least, `ε ${epsilon}: HR@10 ${hitRateAt10}`);
    }
  },
);
