import { ClientError } from "../errors.js";
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
import { LocalVector } from "./local-vector.js";
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
  readonly #variate: LocalVector;
  readonly #opened: OpenedModel;

  constructor(options: ScaffoldOptions) {
    countExamples(options.examples);
    this.id = options.id;
    this.#options = options;
    this.#opened = new OpenedModel(opening(options));
    this.#variate = new LocalVector(`scaffold/${options.id}`);
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
    const own = (await this.#variate.get({ ...task, parameters: shared })) ?? new Float32Array(shared.length);
    const offset = variate.map((value, i) => value - (own[i] ?? 0));
    const correction = { proximal: 0, anchor: shared, offset };
    model.start(shared, manifest, { optimiser: { type: "sgd", learningRate }, batchSize, correction });
    await descend(model, this.#options.examples, task, epochs);
    const trained = await model.read();
    const scale = realSetting(task.settings, "variateScale", 1);
    const update = new Float32Array(2 * shared.length);
    const next = own.slice();
    for (let i = 0; i < shared.length; i++) {
      const moved = (trained[i] ?? 0) - (shared[i] ?? 0);
      const change = steps === 0 ? 0 : -(variate[i] ?? 0) - moved / (steps * learningRate);
      update[i] = moved;
      update[shared.length + i] = scale * change;
      next[i] = (own[i] ?? 0) + change;
    }
    if (!update.every(Number.isFinite)) {
      throw new ClientError("NON_FINITE", "training diverged to values that are not finite; lower the learning rate");
    }
    await this.#variate.put(task, next);
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

function halves({ parameters, manifest }: TrainingTask): {
  readonly shared: Float32Array;
  readonly variate: Float32Array;
  readonly manifest: TrainingTask["manifest"];
} {
  if (parameters.length % 2 !== 0 || manifest.length % 2 !== 0) {
    throw new ClientError("WRONG_LENGTH", "expected a model and its control variate: the same tensors twice");
  }
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
 * are the paper's for any cohort. Plain gradient descent only. cᵢ begins at 0 and stays on the device; where an update is lost, or
 * clipped, c falls behind the mean of the cᵢ by that much. Settings: `learningRate` η 0.01, `epochs`, `batchSize`, `seed`,
 * `variateScale` s 1, which the strategy's settings name too.
 */
export function scaffoldTrainer(options: ScaffoldOptions): LayersTrainer {
  return new Scaffold(options);
}
