import { ClientError } from "../errors.js";
import type { Model } from "../models/safetensors.js";
import { countExamples, type Examples } from "../trainers/layers/examples.js";
import {
  batchSizeOf,
  descend,
  evaluation,
  type LayersTrainer,
  requireEvaluation,
} from "../trainers/layers/layers-trainer.js";
import { OpenedModel } from "../trainers/layers/opened-model.js";
import { integerSetting, realSetting } from "../trainers/settings.js";
import type { TrainingTask } from "../trainers/trainer.js";
import { ControlVariate } from "./control-variate.js";
import { type ModelSource, opening } from "./model-source.js";

/** A layers model and one participant's examples. */
export interface ScaffoldOptions extends ModelSource {
  readonly id: string;
  readonly examples: Examples;
  readonly held?: Examples;
}

class Scaffold implements LayersTrainer {
  readonly id: string;
  readonly #options: ScaffoldOptions;
  readonly #variate: ControlVariate;
  readonly #opened: OpenedModel;

  constructor(options: ScaffoldOptions) {
    countExamples(options.examples);
    this.id = options.id;
    this.#options = options;
    this.#opened = new OpenedModel(opening(options));
    this.#variate = new ControlVariate(`scaffold/${options.id}`);
  }

  async train(task: TrainingTask): Promise<{ readonly update: Float32Array }> {
    const { shared, variate, manifest } = halves(task);
    if (task.updateLength !== task.parameters.length) {
      throw new ClientError(
        "WRONG_LENGTH",
        `expected a plan whose update has ${task.parameters.length} numbers, came ${task.updateLength}`,
      );
    }
    const model = await this.#opened.get(task.signal);
    const learningRate = realSetting(task.settings, "learningRate", 0.01);
    const batchSize = batchSizeOf(task.settings);
    const epochs = integerSetting(task.settings, "epochs", 1, 1);
    const steps = epochs * Math.ceil(countExamples(this.#options.examples) / batchSize);
    const own = await this.#variate.current(task, shared.length);
    const offset = variate.map((value, i) => value - (own[i] ?? 0));
    const correction = { proximal: 0, anchor: shared, offset };
    model.start(shared, manifest, { optimiser: { type: "sgd", learningRate }, batchSize, correction });
    await descend(model, this.#options.examples, task, epochs);
    const trained = await model.read();
    const scale = realSetting(task.settings, "variateScale", 1);
    const update = new Float32Array(2 * shared.length);
    const changes = new Float32Array(shared.length);
    for (let i = 0; i < shared.length; i++) {
      const moved = (trained[i] ?? 0) - (shared[i] ?? 0);
      const change = steps === 0 ? 0 : -(variate[i] ?? 0) - moved / (steps * learningRate);
      update[i] = moved;
      update[shared.length + i] = scale * change;
      changes[i] = change;
    }
    if (!update.every(Number.isFinite)) {
      throw new ClientError("NON_FINITE", "training diverged to values that are not finite; lower the learning rate");
    }
    await this.#variate.move(task, own, changes, clipFactor(update, task.fate));
    return { update };
  }

  async evaluate(task: TrainingTask): Promise<Float32Array> {
    requireEvaluation(task);
    const { shared, manifest } = halves(task);
    const model = await this.#opened.get(task.signal);
    model.start(shared, manifest, {
      optimiser: { type: "sgd", learningRate: 0 },
      batchSize: batchSizeOf(task.settings),
    });
    return evaluation(model, this.#options.held ?? this.#options.examples, task);
  }

  close(): void {
    this.#opened.close();
  }
}

/** By how much the runtime scales an update down. */
function clipFactor(update: Float32Array, fate: TrainingTask["fate"]): number {
  const norm = Math.sqrt(update.reduce((sum, value) => sum + value * value, 0));
  return fate === undefined || norm <= fate.clipNorm ? 1 : fate.clipNorm / norm;
}

/** The model of a SCAFFOLD plan as an app uses it: without the control variate that stands behind it. */
export function scaffoldModel<Whole extends Model>(model: Whole): Whole {
  const { parameters, manifest } = model;
  requireTwice(model);
  return {
    ...model,
    parameters: parameters.slice(0, parameters.length / 2),
    manifest: manifest.slice(0, manifest.length / 2),
  };
}

/** @throws ClientError WRONG_LENGTH */
function requireTwice({ parameters, manifest }: Model): void {
  if (parameters.length % 2 === 0 && manifest.length % 2 === 0) return;
  throw new ClientError("WRONG_LENGTH", "expected a model and its control variate: the same tensors twice");
}

function halves({ parameters, manifest }: TrainingTask): {
  readonly shared: Float32Array;
  readonly variate: Float32Array;
  readonly manifest: TrainingTask["manifest"];
} {
  requireTwice({ parameters, manifest });
  const middle = parameters.length / 2;
  return {
    shared: parameters.slice(0, middle),
    variate: parameters.slice(middle),
    manifest: manifest.slice(0, manifest.length / 2),
  };
}

/**
 * SCAFFOLD (Karimireddy et al. 2020, algorithm 1, option II): each step is corrected by what all devices' gradients have and
 * this one's has not, c − cᵢ, so that devices with different data do not drift apart.
 *
 *   y ← y − η·(g(y) − cᵢ + c)    cᵢ⁺ = cᵢ − c + (x − y)/(K·η)
 *
 * Parameters: [x | c], the model and the server's control variate, each as long as the model: the manifest has the model's
 * tensors twice. Update: [y − x | s·(cᵢ⁺ − cᵢ)]. With the strategy scaffold, which knows how many devices there are, both halves
 * are the paper's for any cohort. Plain gradient descent only. cᵢ begins at 0 and stays on the device. It moves by what the server
 * adds to c for it: by as much of cᵢ⁺ − cᵢ as the clip leaves, and once the update is known to be counted. Settings: `learningRate` η 0.01, `epochs`, `batchSize`, `seed`,
 * `variateScale` s 1, which the strategy's settings name too.
 */
export function scaffoldTrainer(options: ScaffoldOptions): LayersTrainer {
  return new Scaffold(options);
}
