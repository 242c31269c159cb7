// What a recommender reaches whose user factors never leave the device, where the data are there.
import t from "tap";
import { smallMovielensBenchmark } from "../movielens/movielens.js";

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
