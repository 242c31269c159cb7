import { ClientError } from "../errors.js";
import { countExamples, type Examples } from "../trainers/layers/examples.js";
import {
  batchSizeOf,
  changeOf,
  descend,
  evaluation,
  type LayersTrainer,
  optimiserOf,
  requireEvaluation,
  score,
} from "../trainers/layers/layers-trainer.js";
import { OpenedModel } from "../trainers/layers/opened-model.js";
import { realSetting } from "../trainers/settings.js";
import type { TrainingTask } from "../trainers/trainer.js";
import { type ModelSource, opening } from "./model-source.js";

/** A layers model and one participant's examples. */
export interface QFedAvgOptions extends ModelSource {
  readonly id: string;
  readonly examples: Examples;
  readonly held?: Examples;
}

/** Losses below it count as it: a power of q − 1 < 0 would be without bound. */
const LEAST_LOSS = 1e-10;

class QFedAvg implements LayersTrainer {
  readonly id: string;
  readonly #options: QFedAvgOptions;
  readonly #opened: OpenedModel;

  constructor(options: QFedAvgOptions) {
    countExamples(options.examples);
    this.id = options.id;
    this.#options = options;
    this.#opened = new OpenedModel(opening(options));
  }

  async train(task: TrainingTask): Promise<{ readonly update: Float32Array }> {
    const { parameters, settings } = task;
    if (task.updateLength !== parameters.length + 1) {
      throw new ClientError(
        "WRONG_LENGTH",
        `expected a plan whose update has ${parameters.length + 1} numbers, came ${task.updateLength}`,
      );
    }
    const { examples } = this.#options;
    const update = new Float32Array(parameters.length + 1);
    if (countExamples(examples) === 0) return { update };
    const model = await this.#started(task);
    const quiet = { ...task, onProgress: () => {} };
    const loss = Math.max((await score(model, examples, quiet)).loss, LEAST_LOSS);
    await this.#started(task);
    await descend(model, examples, task);
    const moved = changeOf(await model.read(), task);
    const q = realSetting(settings, "q", 1);
    const lipschitz = realSetting(settings, "lipschitz", 1 / realSetting(settings, "learningRate", 0.01));
    const weight = loss ** q * lipschitz;
    let squares = 0;
    for (let i = 0; i < moved.length; i++) {
      const change = moved[i] ?? 0;
      squares += (lipschitz * change) ** 2;
      update[i] = weight * change;
    }
    const h = q * loss ** (q - 1) * squares + weight;
    update[moved.length] = realSetting(settings, "curvatureScale", 1) * h;
    return { update };
  }

  async evaluate(task: TrainingTask): Promise<Float32Array> {
    requireEvaluation(task);
    return evaluation(await this.#started(task), this.#options.held ?? this.#options.examples, task);
  }

  close(): void {
    this.#opened.close();
  }

  async #started(task: TrainingTask) {
    const model = await this.#opened.get(task.signal);
    const { parameters, manifest, settings } = task;
    model.start(parameters, manifest, { optimiser: optimiserOf(settings), batchSize: batchSizeOf(settings) });
    return model;
  }
}

/**
 * The device's side of q-FedAvg (Li, Sanjabi, Beirami and Smith 2020, algorithm 2), for the strategy q-fedavg: who has a
 * larger loss F at the round's model θ counts more. Update: [F^q·L·(θ_k − θ) | s·h], one number longer than the model, with
 * h = q·F^(q−1)·‖L·(θ_k − θ)‖² + L·F^q. F is the mean loss over the training examples; it leaves the device in this form only, clipped,
 * noised and masked with the rest.
 *
 * Settings: those of local steps; `q` 1 (0 is federated averaging), `lipschitz` L 1/`learningRate`, `curvatureScale` s 1.
 */
export function qFedAvgTrainer(options: QFedAvgOptions): LayersTrainer {
  return new QFedAvg(options);
}
