// A rating model with effects of items that all share and an effect of the user that stays on the device:
// ŷ = base + μ + b_item + u. Each participant sends the gradient and the curvature of its squared error in b and μ, so
// that the coordinator takes a Newton step on their sums. Koren, Bell, Volinsky: Matrix Factorization Techniques for
// Recommender Systems (2009), eq. 3–5, without the inner product.
import { ClientError, throwIfAborted } from "../errors.js";
import { descendWithNoise, type ExampleLevelModel, type ExampleLevelTask } from "./example-level.js";
import { realSetting } from "./settings.js";
import type { Trainer, TrainerSettings, TrainingTask } from "./trainer.js";

/** One participant's ratings; the three arrays run in parallel. */
export interface Ratings {
  /** Item numbers from 0. */
  readonly items: Int32Array;
  readonly ratings: Float32Array;
  /** 1 where a rating is kept for evaluation, 0 where it trains. */
  readonly held: Uint8Array;
}

interface Effects {
  readonly base: number;
  readonly meanOffset: number;
  readonly itemEffects: Float32Array;
  /** The user's own effect: Σ residual / (n + ridge). Never leaves the device. */
  readonly userEffect: number;
}

function effectsOf(data: Ratings, parameters: Float32Array, settings: TrainerSettings): Effects {
  const base = realSetting(settings, "base", 3);
  const ridge = realSetting(settings, "userRidge", 12);
  const items = parameters.length - 1;
  const meanOffset = parameters[items] ?? 0;
  const itemEffects = parameters.subarray(0, items);
  let residual = 0;
  let count = 0;
  for (let i = 0; i < data.items.length; i++) {
    const item = data.items[i] ?? 0;
    if (item >= items)
      throw new ClientError("WRONG_LENGTH", `expected a model of more than ${item} items, came ${items}`);
    if (data.held[i] === 1) continue;
    residual += (data.ratings[i] ?? 0) - base - meanOffset - (itemEffects[item] ?? 0);
    count += 1;
  }
  const userEffect = count === 0 ? 0 : residual / (count + ridge);
  return { base, meanOffset, itemEffects, userEffect };
}

function requireLength(task: TrainingTask, due: number): void {
  if (task.updateLength === due) return;
  throw new ClientError(
    "WRONG_LENGTH",
    `expected a plan whose update has ${due} numbers for this model, came ${task.updateLength}`,
  );
}

/** [gradient in b, gradient in μ, scale · curvature in b, scale · curvature in μ] */
function newtonTerms(data: Ratings, task: TrainingTask): Float32Array {
  const { parameters, settings } = task;
  const size = parameters.length;
  const scale = realSetting(settings, "curvatureScale", 0.3);
  const { base, meanOffset, itemEffects, userEffect } = effectsOf(data, parameters, settings);
  const update = new Float32Array(2 * size);
  let total = 0;
  let count = 0;
  for (let i = 0; i < data.items.length; i++) {
    if (data.held[i] === 1) continue;
    const item = data.items[i] ?? 0;
    const error = (data.ratings[i] ?? 0) - base - meanOffset - (itemEffects[item] ?? 0) - userEffect;
    update[item] = (update[item] ?? 0) + error;
    update[size + item] = (update[size + item] ?? 0) + scale;
    total += error;
    count += 1;
  }
  if (count > 0) {
    // The mean, not the sum: who has rated much weighs no more in μ than who has rated little.
    update[size - 1] = total / count;
    update[2 * size - 1] = scale;
  }
  return update;
}

/**
 * The change of b and μ by DP-SGD on single ratings. The user's effect depends on all of a user's ratings, so it is a
 * parameter like the others here: begun at 0, moved by noised sums only, and left on the device.
 */
async function exampleLevelUpdate(data: Ratings, task: TrainingTask, level: ExampleLevelTask): Promise<Float32Array> {
  const { parameters, settings } = task;
  const size = parameters.length;
  const base = realSetting(settings, "base", 3);
  const learningRate = realSetting(settings, "learningRate", 0.5);
  const kept = Uint32Array.from(data.items.keys()).filter((i) => data.held[i] !== 1);
  if (data.items.some((item) => item >= size - 1)) {
    throw new ClientError("WRONG_LENGTH", `expected a model of all items, came one of ${size - 1}`);
  }
  const present = new Float64Array(size + 1);
  present.set(parameters);
  const model: ExampleLevelModel = {
    examples: kept.length,
    dimension: size + 1,
    gradient(example, out) {
      const i = kept[example] ?? 0;
      const item = data.items[i] ?? 0;
      const predicted = base + (present[item] ?? 0) + (present[size - 1] ?? 0) + (present[size] ?? 0);
      const error = predicted - (data.ratings[i] ?? 0);
      out[item] = error;
      out[size - 1] = error;
      out[size] = error;
    },
    step(mean) {
      for (let j = 0; j <= size; j++) present[j] = (present[j] ?? 0) - learningRate * (mean[j] ?? 0);
    },
  };
  await descendWithNoise(model, level, task);
  return Float32Array.from(parameters, (value, j) => (present[j] ?? 0) - value);
}

/** [Σ ((y − ŷ)² − centre), scale · n] over the ratings kept for evaluation. */
function squaredError(data: Ratings, task: TrainingTask): Float32Array {
  const { parameters, settings } = task;
  const { base, meanOffset, itemEffects, userEffect } = effectsOf(data, parameters, settings);
  const least = realSetting(settings, "minimum", 1);
  const most = realSetting(settings, "maximum", 5);
  // Near the expected squared error, so that what is clipped and noised is small.
  const centre = realSetting(settings, "centre", 1.45);
  const scale = realSetting(settings, "countScale", 0.5);
  let sum = 0;
  let count = 0;
  for (let i = 0; i < data.items.length; i++) {
    if (data.held[i] !== 1) continue;
    const predicted = base + meanOffset + (itemEffects[data.items[i] ?? 0] ?? 0) + userEffect;
    const error = (data.ratings[i] ?? 0) - Math.min(Math.max(predicted, least), most);
    sum += error * error - centre;
    count += 1;
  }
  return Float32Array.of(sum, scale * count);
}

/**
 * Trains and evaluates a rating model on one participant's ratings.
 *
 * Parameters: items + 1 numbers, the effect of each item and then the mean offset μ. Settings (reals as decimal
 * strings): `base` 3, `minimum` 1, `maximum` 5, `userRidge` 12, `curvatureScale` 0.3, `centre` 1.45, `countScale` 0.5.
 * A training update has 2·(items + 1) numbers, an evaluation 2. Under a plan whose unit is the example, a training update
 * is the change of the items + 1 parameters by DP-SGD, and there is one setting more: `learningRate` 0.5.
 *
 * @throws ClientError BAD_OPTION when the arrays differ in length or an item number is negative
 */
export function biasedFactorisationTrainer(data: Ratings): Trainer {
  if (data.items.length !== data.ratings.length || data.items.length !== data.held.length) {
    throw new ClientError("BAD_OPTION", "expected items, ratings and held to have the same length");
  }
  if (data.items.some((item) => item < 0)) throw new ClientError("BAD_OPTION", "expected item numbers from 0");
  return {
    id: "biased-factorisation",
    isExampleLevel: true,
    async train(task) {
      throwIfAborted(task.signal);
      if (task.exampleLevel !== undefined) {
        requireLength(task, task.parameters.length);
        return { update: await exampleLevelUpdate(data, task, task.exampleLevel) };
      }
      requireLength(task, 2 * task.parameters.length);
      const update = newtonTerms(data, task);
      task.onProgress(1);
      return { update };
    },
    async evaluate(task) {
      throwIfAborted(task.signal);
      requireLength(task, 2);
      const sums = squaredError(data, task);
      task.onProgress(1);
      return sums;
    },
  };
}
