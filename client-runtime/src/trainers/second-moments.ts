// Recommendations from the leading eigenvectors of the items' second moments (PureSVD: Cremonesi, Koren, Turrin 2010), found by
// subspace iteration under noise (the noisy power method: Hardt and Price 2014). For a user with items x, a vector of zeros and
// ones, and the round's model V, items × factors, the device sends
//
//   x·(xᵀV) / (|x|·|Vᵀx|)
//
// whose sum over users is (Σ w·x·xᵀ)·V: what takes V a step nearer to the eigenvectors. See the strategy subspace-iteration.
// Every user's update has norm 1, however long the history: a plan with `clipNorm: 1` cuts nothing and wastes nothing.
import type { Interactions } from "./interactions.js";
import { gramOf, type ItemFactors, itemFactors, product, requireItems, solve, sumOfRows } from "./item-factors.js";
import { recommenderTrainer } from "./recommender.js";
import type { Trainer, TrainingTask } from "./trainer.js";

/**
 * The scores of items for one participant, as its device computes them: higher is better. They are its items projected on
 * the span of the model's columns, V·(VᵀV)⁻¹·Vᵀx, so that only the span counts, not how long the columns are.
 *
 * @param model of one tensor, items × factors: parameters and manifest
 * @param own the participant's items
 * @param wanted the items to score
 * @throws ClientError WRONG_LENGTH when the model has not all the items
 */
export function projectionScores(
  model: Pick<TrainingTask, "parameters" | "manifest">,
  own: Int32Array,
  wanted: Int32Array,
): Float64Array {
  const factors = itemFactors(model);
  requireItems(own, factors.items);
  requireItems(wanted, factors.items);
  const user = solve(Float64Array.from(gramOf(factors)), sumOfRows(factors, own));
  return Float64Array.from(wanted, (item) => product(user, factors, item));
}

function updateOf(model: ItemFactors, own: Int32Array): Float32Array {
  const { items, factors } = model;
  const update = new Float32Array(items * factors);
  const user = sumOfRows(model, own);
  const norm = Math.sqrt(own.length) * Math.hypot(...user);
  if (norm === 0) return update;
  for (const item of own) {
    for (let f = 0; f < factors; f++) update[item * factors + f] = (user[f] ?? 0) / norm;
  }
  return update;
}

/**
 * Finds, with many others, what a recommender takes that is good under a privacy budget: a participant's whole history goes
 * into few numbers of norm 1, and scores are made on the device by `projectionScores`.
 *
 * Parameters: one tensor, items × factors, begun at random numbers (`init: glorot-uniform`). Strategy: subspace-iteration with as
 * many `factors`. An update is as long as the model. No settings but `top`, 10: an evaluation has 3 numbers, [hit among the
 * first `top`, its discounted gain (1/log₂(place + 2)), 1].
 *
 * @throws ClientError BAD_OPTION when an item number is negative or comes twice
 */
export function secondMomentsTrainer(interactions: Interactions): Trainer {
  const recommender = {
    id: "second-moments",
    updateLength: ({ items, factors }: ItemFactors) => items * factors,
    updateOf,
    scoresOf: projectionScores,
  };
  return recommenderTrainer(recommender, interactions);
}
