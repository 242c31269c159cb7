// Factorisation of implicit feedback with user factors that stay on the device. Hu, Koren, Volinsky: Collaborative Filtering for
// Implicit Feedback Datasets (2008); the regularisation by frequency is of Rendle et al.: Revisiting the Performance of iALS
// (2022). For a user with items S and item factors V the loss is
//
//   ½ Σ_{i∈S} (1 − u·v_i)² + ½ α Σ_i (u·v_i)² + ½ λ (|S| + α·items)·|u|²
//
// whose minimum in u the device finds itself, in closed form, each time anew. For the items it sends what a Newton step takes
// when the sums over all users are known, and no vector of the user's: see the strategy factor-newton.
import type { Interactions } from "./interactions.js";
import {
  addOuter,
  gramOf,
  type ItemFactors,
  itemFactors,
  product,
  requireItems,
  solve,
  sumOfRows,
} from "./item-factors.js";
import { recommenderTrainer } from "./recommender.js";
import { choiceSetting, realSetting } from "./settings.js";
import type { Trainer, TrainerSettings, TrainingTask } from "./trainer.js";

/** The user's factors. They are the user's taste: keep them on the device. */
function userFactors(model: ItemFactors, own: Int32Array, settings: TrainerSettings): Float64Array {
  const { values, items, factors } = model;
  const unobserved = realSetting(settings, "unobservedWeight", 0.2);
  const ridge = realSetting(settings, "ridge", 0.005) * (own.length + unobserved * items);
  const a = gramOf(model).map((value) => unobserved * value);
  for (const item of own) addOuter(a, values, item * factors, factors, 1);
  for (let f = 0; f < factors; f++) a[f * factors + f] = (a[f * factors + f] ?? 0) + ridge;
  return solve(a, sumOfRows(model, own));
}

/** Numbers of an update for so many items and factors: gradient rows, counts, and two symmetric matrices. */
export function implicitUpdateLength(items: number, factors: number): number {
  return items * factors + items + factors * (factors + 1);
}

/** [gradient of the observed part, items × factors | counts | Σ u·uᵀ | |S|·u·uᵀ, lower triangles row after row] */
function updateOf(model: ItemFactors, own: Int32Array, settings: TrainerSettings): Float32Array {
  const { items, factors } = model;
  const update = new Float32Array(implicitUpdateLength(items, factors));
  if (own.length === 0) return update;
  const weighting = choiceSetting(settings, "weighting", ["sum", "root"], "sum");
  const weight = weighting === "root" ? 1 / Math.sqrt(own.length) : 1;
  const countScale = realSetting(settings, "countScale", 1);
  const gramScale = realSetting(settings, "gramScale", 1);
  const user = userFactors(model, own, settings);
  for (const item of own) {
    const error = weight * (product(user, model, item) - 1);
    for (let f = 0; f < factors; f++) update[item * factors + f] = error * (user[f] ?? 0);
    update[items * factors + item] = weight * countScale;
  }
  let at = items * factors + items;
  for (const scale of [gramScale * weight, gramScale * weight * own.length]) {
    for (let a = 0; a < factors; a++) {
      for (let b = 0; b <= a; b++) update[at++] = scale * (user[a] ?? 0) * (user[b] ?? 0);
    }
  }
  return update;
}

/**
 * The scores of items for one participant, as its device computes them: higher is better.
 *
 * @param model the round's model: parameters and manifest
 * @param own the participant's items
 * @param wanted the items to score
 * @param settings `unobservedWeight` and `ridge` as the plan has them
 * @throws ClientError WRONG_LENGTH when the model has not all the items
 */
export function implicitScores(
  model: Pick<TrainingTask, "parameters" | "manifest">,
  own: Int32Array,
  wanted: Int32Array,
  settings: TrainerSettings,
): Float64Array {
  const factors = itemFactors(model);
  requireItems(own, factors.items);
  requireItems(wanted, factors.items);
  const user = userFactors(factors, own, settings);
  return Float64Array.from(wanted, (item) => product(user, factors, item));
}

/**
 * Trains and evaluates a recommender on one participant's items, with the participant's factors never leaving the device.
 *
 * Parameters: one tensor, items × factors, begun at small random numbers. Strategy: factor-newton, with the same
 * settings. Settings (reals as decimal strings): `unobservedWeight` α 0.2, `ridge` λ 0.005, `weighting` "sum" or "root" (a
 * participant's terms count 1 or 1/√|S|), `countScale` 1 and `gramScale` 1, which weigh the parts of an update for its clip.
 * An evaluation has 3 numbers: [hit among the first ten, its discounted gain (1/log₂(place + 2)), 1].
 *
 * @throws ClientError BAD_OPTION when an item number is negative or comes twice
 */
export function implicitFactorisationTrainer(interactions: Interactions): Trainer {
  const recommender = {
    id: "implicit-factorisation",
    updateLength: ({ items, factors }: ItemFactors) => implicitUpdateLength(items, factors),
    updateOf,
    scoresOf: (task: TrainingTask, own: Int32Array, wanted: Int32Array) =>
      implicitScores(task, own, wanted, task.settings),
  };
  return recommenderTrainer(recommender, interactions);
}
