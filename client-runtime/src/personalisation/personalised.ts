import { ClientError, throwIfAborted } from "../errors.js";
import { countExamples, type Examples, sizeOf } from "../trainers/layers/examples.js";
import {
  batchSizeOf,
  changeOf,
  descend,
  evaluation,
  type LayersTrainer,
  optimiserOf,
  requireEvaluation,
  requireWholeUpdate,
} from "../trainers/layers/layers-trainer.js";
import type { GradientCorrection, LocalModel } from "../trainers/layers/local-model.js";
import { OpenedModel } from "../trainers/layers/opened-model.js";
import { integerSetting, realSetting } from "../trainers/settings.js";
import type { TrainingTask } from "../trainers/trainer.js";
import { LocalVector } from "./local-vector.js";
import { type ModelSource, opening } from "./model-source.js";

/**
 * What a device does differently from the others, or from federated averaging:
 *
 * - `fedprox`: steps are pulled to the round's model (Li et al., FedProx, 2020). Setting `proximal` μ 0.01.
 * - `fedper`: some layers are the device's own, trained together with the shared ones (Arivazhagan et al., FedPer, 2019).
 * - `fedrep`: the same, but first the own layers are trained, then the shared ones (Collins et al., FedRep, 2021). Setting
 *   `headEpochs` 1.
 * - `ditto`: beside its part in the shared model the device trains a model of its own that is pulled to the shared one (Li et
 *   al., Ditto, 2021). Setting `proximal` λ 0.1.
 * - `finetune`: the shared model is trained as in federated averaging; what the app predicts with is that model after
 *   `tuneEpochs` 1 more on the device.
 */
export type PersonalisationMethod = "fedprox" | "fedper" | "fedrep" | "ditto" | "finetune";

/** A layers model and one participant's examples. */
export interface PersonalisedOptions extends ModelSource {
  /** What plans for this trainer name. */
  readonly id: string;
  readonly method: PersonalisationMethod;
  /** Numbers of the tensors, in the manifest's order, that stay on the device: for fedper and fedrep. */
  readonly personal?: readonly number[];
  readonly examples: Examples;
  readonly held?: Examples;
}

/** A trainer whose model on the device is not only the shared one. */
export interface PersonalisedTrainer extends LayersTrainer {
  /** The model that the app predicts with here: the round's, made this device's own. Never leaves the device. */
  personalised(
    task: Pick<TrainingTask, "parameters" | "manifest" | "settings" | "state" | "signal">,
  ): Promise<Float32Array>;
  /**
   * Online update: steps of the device's own model on examples that have just come, at the setting `onlineRate` 0.01. Kept
   * in `state`, and used by `personalised` and `evaluate` until the next round's training.
   */
  learnOnline(
    task: Pick<TrainingTask, "parameters" | "manifest" | "settings" | "state" | "signal">,
    examples: Examples,
  ): Promise<Float32Array>;
}

type LocalTask = Pick<TrainingTask, "parameters" | "manifest" | "settings" | "state" | "signal">;

const quiet = { onProgress: () => {} };

class Personalised implements PersonalisedTrainer {
  readonly id: string;
  readonly #options: PersonalisedOptions;
  readonly #own: LocalVector;
  readonly #opened: OpenedModel;

  constructor(options: PersonalisedOptions) {
    const { method, personal = [] } = options;
    countExamples(options.examples);
    if (options.held !== undefined) countExamples(options.held);
    const hasLayers = method === "fedper" || method === "fedrep";
    if (hasLayers !== personal.length > 0) {
      throw new ClientError(
        "BAD_OPTION",
        `expected personal tensors for fedper and fedrep alone, came ${personal.length}`,
      );
    }
    this.id = options.id;
    this.#options = options;
    this.#opened = new OpenedModel(opening(options));
    this.#own = new LocalVector(`personalisation/${options.id}`);
  }

  async train(task: TrainingTask): Promise<{ readonly update: Float32Array }> {
    requireWholeUpdate(task);
    const model = await this.#opened.get(task.signal);
    const { examples, method, personal = [] } = this.#options;
    const begun = await this.#begin(task);
    const epochs = integerSetting(task.settings, "epochs", 1, 1);
    switch (method) {
      case "fedprox":
        this.#start(model, task, begun, {
          proximal: realSetting(task.settings, "proximal", 0.01),
          anchor: task.parameters,
        });
        await descend(model, examples, task, epochs);
        break;
      case "fedper":
      case "finetune":
        this.#start(model, task, begun);
        await descend(model, examples, task, epochs);
        break;
      case "fedrep":
        this.#start(model, task, begun, undefined, personal);
        await descend(model, examples, task, integerSetting(task.settings, "headEpochs", 1, 1));
        this.#start(model, task, await model.read(), undefined, others(task, personal));
        await descend(model, examples, task, epochs);
        break;
      case "ditto": {
        const own = (await this.#own.get(task)) ?? task.parameters;
        const proximal = realSetting(task.settings, "proximal", 0.1);
        this.#start(model, task, own, { proximal, anchor: task.parameters });
        await descend(model, examples, task, epochs);
        await this.#own.put(task, finite(await model.read()));
        this.#start(model, task, task.parameters);
        await descend(model, examples, task, epochs);
        break;
      }
    }
    const trained = await model.read();
    const update = changeOf(trained, task);
    if (method === "fedper" || method === "fedrep") {
      await this.#own.put(task, trained);
      forEachTensor(task, (tensor, from, to) => {
        if (personal.includes(tensor)) update.fill(0, from, to);
      });
    }
    if (method === "fedprox" || method === "finetune") await this.#own.forget(task);
    return { update };
  }

  async evaluate(task: TrainingTask): Promise<Float32Array> {
    requireEvaluation(task);
    const parameters = await this.personalised(task);
    const model = await this.#opened.get(task.signal);
    this.#start(model, task, parameters);
    return evaluation(model, this.#options.held ?? this.#options.examples, task);
  }

  async personalised(task: LocalTask): Promise<Float32Array> {
    const { method, examples } = this.#options;
    const own = await this.#own.get(task);
    if (method === "fedper" || method === "fedrep") return this.#begin(task);
    if (own !== undefined) return own;
    if (method !== "finetune") return task.parameters.slice();
    const model = await this.#opened.get(task.signal);
    this.#start(model, task, task.parameters);
    await descend(model, examples, { ...task, ...quiet }, integerSetting(task.settings, "tuneEpochs", 1, 1));
    return finite(await model.read());
  }

  async learnOnline(task: LocalTask, examples: Examples): Promise<Float32Array> {
    const before = await this.personalised(task);
    const model = await this.#opened.get(task.signal);
    const learningRate = realSetting(task.settings, "onlineRate", 0.01);
    const batchSize = batchSizeOf(task.settings);
    const { personal } = this.#options;
    model.start(before, task.manifest, {
      optimiser: { type: "sgd", learningRate },
      batchSize,
      ...(personal === undefined ? {} : { trained: personal }),
    });
    const count = countExamples(examples);
    // In the order in which they came.
    for (let from = 0; from < count; from += batchSize) {
      throwIfAborted(task.signal);
      const rows = Math.min(batchSize, count - from);
      model.step(
        examples,
        Uint32Array.from({ length: rows }, (_, i) => from + i),
      );
    }
    const after = finite(await model.read());
    await this.#own.put(task, after);
    return after;
  }

  close(): void {
    this.#opened.close();
  }

  /** The round's model, with the device's own tensors in it where it has some. */
  async #begin(task: LocalTask): Promise<Float32Array> {
    const begun = task.parameters.slice();
    const { personal } = this.#options;
    const own = personal === undefined ? undefined : await this.#own.get(task);
    if (own === undefined) return begun;
    forEachTensor(task, (tensor, from, to) => {
      if (personal?.includes(tensor)) begun.set(own.subarray(from, to), from);
    });
    return begun;
  }

  #start(
    model: LocalModel,
    task: LocalTask,
    parameters: Float32Array,
    correction?: GradientCorrection,
    trained?: readonly number[],
  ): void {
    model.start(parameters, task.manifest, {
      optimiser: optimiserOf(task.settings),
      batchSize: batchSizeOf(task.settings),
      ...(correction === undefined ? {} : { correction }),
      ...(trained === undefined ? {} : { trained }),
    });
  }
}

function forEachTensor({ manifest }: LocalTask, visit: (tensor: number, from: number, to: number) => void): void {
  let from = 0;
  for (const [tensor, { shape }] of manifest.entries()) {
    const to = from + sizeOf(shape);
    visit(tensor, from, to);
    from = to;
  }
}

function others({ manifest }: LocalTask, personal: readonly number[]): number[] {
  return [...manifest.keys()].filter((tensor) => !personal.includes(tensor));
}

function finite(parameters: Float32Array): Float32Array {
  if (parameters.every(Number.isFinite)) return parameters;
  throw new ClientError("NON_FINITE", "training diverged to values that are not finite; lower the learning rate");
}

/**
 * A trainer for a layers model that is in part, or in the end, the device's own. Update, evaluation and the settings of
 * local steps are those of `tensorflowTrainer`; evaluations are of the device's own model. What is the device's own is
 * kept in the participant's local state.
 *
 * @throws ClientError BAD_OPTION when personal tensors are given to a method without, or the other way round
 */
export function personalisedTrainer(options: PersonalisedOptions): PersonalisedTrainer {
  return new Personalised(options);
}
