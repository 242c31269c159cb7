// What trainers of recommenders have in common: the checks around an update, and how recommendations are judged.
import { ClientError, throwIfAborted } from "../errors.js";
import type { Interactions } from "./interactions.js";
import { type ItemFactors, itemFactors, requireItems } from "./item-factors.js";
import { integerSetting } from "./settings.js";
import type { Trainer, TrainerSettings, TrainingTask } from "./trainer.js";

/** What tells one recommender from another. */
export interface Recommender {
  readonly id: string;
  readonly updateLength: (model: ItemFactors) => number;
  readonly updateOf: (model: ItemFactors, own: Int32Array, settings: TrainerSettings) => Float32Array;
  readonly scoresOf: (task: TrainingTask, own: Int32Array, wanted: Int32Array) => Float64Array;
}

/** Recommendations are judged by the first ten. */
const TOP = 10;

/** Numbers of an evaluation: [hit among the first, its discounted gain (1/log₂(place + 2)), 1]. */
const REPORT_LENGTH = 3;

/** @throws ClientError BAD_OPTION when an item number is negative or comes twice */
export function recommenderTrainer(recommender: Recommender, { items: own, held }: Interactions): Trainer {
  if (own.some((item) => item < 0) || new Set(own).size !== own.length) {
    throw new ClientError("BAD_OPTION", "expected item numbers from 0, each once");
  }
  return {
    id: recommender.id,
    async train(task) {
      throwIfAborted(task.signal);
      const model = itemFactors(task);
      requireItems(own, model.items);
      requireLength("update", task.updateLength, recommender.updateLength(model));
      const update = recommender.updateOf(model, own, task.settings);
      requireFinite(update);
      task.onProgress(1);
      return { update };
    },
    async evaluate(task) {
      throwIfAborted(task.signal);
      requireLength("evaluation", task.updateLength, REPORT_LENGTH);
      const report = reportOf(held, task, (wanted) => recommender.scoresOf(task, own, wanted));
      task.onProgress(1);
      return report;
    },
  };
}

function requireLength(what: string, came: number, due: number): void {
  if (came === due) return;
  throw new ClientError("WRONG_LENGTH", `expected a plan whose ${what} has ${due} numbers, came ${came}`);
}

function requireFinite(update: Float32Array): void {
  // A sum of 32-bit floats is finite where they all are; `every` would take longer than the update itself.
  let total = 0;
  for (let i = 0; i < update.length; i++) total += update[i] ?? 0;
  if (Number.isFinite(total)) return;
  throw new ClientError("NON_FINITE", "the model gave values that are not finite; nothing is sent");
}

function reportOf(
  held: Int32Array | undefined,
  { settings }: TrainingTask,
  scoresOf: (wanted: Int32Array) => Float64Array,
): Float32Array {
  if (held === undefined || held.length === 0) return new Float32Array(REPORT_LENGTH);
  const [kept = 0, ...others] = scoresOf(held);
  // A tie counts against the model.
  const place = others.filter((score) => score >= kept).length;
  const isHit = place < integerSetting(settings, "top", TOP, 1);
  return Float32Array.of(isHit ? 1 : 0, isHit ? 1 / Math.log2(place + 2) : 0, 1);
}
