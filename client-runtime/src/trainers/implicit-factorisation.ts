// Factorisation of implicit feedback with user factors that stay on the device. Hu, Koren, Volinsky: Collaborative Filtering for
// Implicit Feedback Datasets (2008); the regularisation by frequency is of Rendle et al.: Revisiting the Performance of iALS
// (2022). For a user with items S and item factors V the loss is
//
//   ½ Σ_{i∈S} (1 − u·v_i)² + ½ α Σ_i (u·v_i)² + ½ λ (|S| + α·items)·|u|²
//
// whose minimum in u the device finds itself, in closed form, each time anew. For the items it sends what a Newton step takes
// when the sums over all users are known, and no vector of the user's: see the strategy factor-newton.
import { ClientError, throwIfAborted } from "../errors.js";
import { choiceSetting, integerSetting, realSetting } from "./settings.js";
import type { Trainer, TrainerSettings, TrainingTask } from "./trainer.js";

/** What one participant has watched, bought or read. */
export interface Interactions {
  /** Item numbers from 0, each once. */
  readonly items: Int32Array;
  /** For evaluation: an item kept back, first, and others that the participant has not had. */
  readonly held?: Int32Array;
}

/** Recommendations are judged by the first ten. */
const TOP = 10;

interface ItemFactors {
  readonly values: Float32Array;
  readonly items: number;
  readonly factors: number;
}

/** Σ v·vᵀ over all items: the same for every device of one process that trains on the same model. */
const grams = new WeakMap<Float32Array, Float64Array>();

function gramOf({ values, items, factors }: ItemFactors): Float64Array {
  const known = grams.get(values);
  if (known !== undefined) return known;
  const gram = new Float64Array(factors * factors);
  for (let item = 0; item < items; item++) addOuter(gram, values, item * factors, factors, 1);
  grams.set(values, gram);
  return gram;
}

function addOuter(sum: Float64Array, values: Float32Array, at: number, factors: number, scale: number): void {
  for (let a = 0; a < factors; a++) {
    const left = scale * (values[at + a] ?? 0);
    for (let b = 0; b <= a; b++) sum[a * factors + b] = (sum[a * factors + b] ?? 0) + left * (values[at + b] ?? 0);
  }
}

/** Solves A·x = b for a positive definite A, of which the lower triangle is given and overwritten (Cholesky). */
function solve(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = a[i * n + j] ?? 0;
      for (let k = 0; k < j; k++) sum -= (a[i * n + k] ?? 0) * (a[j * n + k] ?? 0);
      a[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-30)) : sum / (a[j * n + j] ?? 1);
    }
  }
  for (let i = 0; i < n; i++) {
    let sum = b[i] ?? 0;
    for (let k = 0; k < i; k++) sum -= (a[i * n + k] ?? 0) * (b[k] ?? 0);
    b[i] = sum / (a[i * n + i] ?? 1);
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i] ?? 0;
    for (let k = i + 1; k < n; k++) sum -= (a[k * n + i] ?? 0) * (b[k] ?? 0);
    b[i] = sum / (a[i * n + i] ?? 1);
  }
  return b;
}

function itemFactors({ parameters, manifest }: Pick<TrainingTask, "parameters" | "manifest">): ItemFactors {
  const [tensor, ...others] = manifest;
  const [items, factors, ...more] = tensor?.shape ?? [];
  if (items === undefined || factors === undefined || more.length > 0 || others.length > 0) {
    throw new ClientError("WRONG_LENGTH", "expected a model of one tensor, items × factors");
  }
  return { values: parameters, items, factors };
}

/** The user's factors. They are the user's taste: keep them on the device. */
function userFactors(model: ItemFactors, own: Int32Array, settings: TrainerSettings): Float64Array {
  const { values, items, factors } = model;
  const unobserved = realSetting(settings, "unobservedWeight", 0.2);
  const ridge = realSetting(settings, "ridge", 0.005) * (own.length + unobserved * items);
  const a = gramOf(model).map((value) => unobserved * value);
  const b = new Float64Array(factors);
  for (const item of own) {
    addOuter(a, values, item * factors, factors, 1);
    for (let f = 0; f < factors; f++) b[f] = (b[f] ?? 0) + (values[item * factors + f] ?? 0);
  }
  for (let f = 0; f < factors; f++) a[f * factors + f] = (a[f * factors + f] ?? 0) + ridge;
  return solve(a, b);
}

function product(user: Float64Array, { values, factors }: ItemFactors, item: number): number {
  let sum = 0;
  for (let f = 0; f < factors; f++) sum += (user[f] ?? 0) * (values[item * factors + f] ?? 0);
  return sum;
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

function requireItems(items: Int32Array, count: number): void {
  if (items.every((item) => item < count)) return;
  throw new ClientError("WRONG_LENGTH", `expected a model of all the participant's items, came one of ${count}`);
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
export function implicitFactorisationTrainer({ items: own, held }: Interactions): Trainer {
  if (own.some((item) => item < 0) || new Set(own).size !== own.length) {
    throw new ClientError("BAD_OPTION", "expected item numbers from 0, each once");
  }
  return {
    id: "implicit-factorisation",
    async train(task) {
      throwIfAborted(task.signal);
      const model = itemFactors(task);
      requireItems(own, model.items);
      const due = implicitUpdateLength(model.items, model.factors);
      if (task.updateLength !== due) {
        throw new ClientError(
          "WRONG_LENGTH",
          `expected a plan whose update has ${due} numbers, came ${task.updateLength}`,
        );
      }
      const update = updateOf(model, own, task.settings);
      // A sum of 32-bit floats is finite where they all are; `every` would take longer than the update itself.
      let total = 0;
      for (let i = 0; i < update.length; i++) total += update[i] ?? 0;
      if (!Number.isFinite(total)) {
        throw new ClientError("NON_FINITE", "the model gave values that are not finite; nothing is sent");
      }
      task.onProgress(1);
      return { update };
    },
    async evaluate(task) {
      throwIfAborted(task.signal);
      if (task.updateLength !== 3) {
        throw new ClientError(
          "WRONG_LENGTH",
          `expected a plan whose evaluation has 3 numbers, came ${task.updateLength}`,
        );
      }
      if (held === undefined || held.length === 0) return new Float32Array(3);
      const [kept = 0, ...others] = implicitScores(task, own, held, task.settings);
      // A tie counts against the model.
      const place = others.filter((score) => score >= kept).length;
      task.onProgress(1);
      const top = integerSetting(task.settings, "top", TOP, 1);
      return Float32Array.of(place < top ? 1 : 0, place < top ? 1 / Math.log2(place + 2) : 0, 1);
    },
  };
}
