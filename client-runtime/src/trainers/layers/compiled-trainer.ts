import type { LossName } from "../../engine/plan/loss.js";
import { compiledLocalModel } from "./compiled.js";
import type { Examples } from "./examples.js";
import { type LayersTrainer, layersTrainer } from "./layers-trainer.js";

/** A layers model as JSON, and one participant's examples. */
export interface CompiledTrainerOptions {
  /** What plans for this trainer name. */
  readonly id: string;
  /** What `model.toJSON()` of TensorFlow.js layers, or Keras, gave: the text or the object. Weights come with each round. */
  readonly topology: unknown;
  readonly loss: LossName;
  readonly examples: Examples;
  /** For evaluation rounds; the training examples where nothing is given. */
  readonly held?: Examples;
  /** WebAssembly SIMD where it runs, else plain JavaScript; or one of them. */
  readonly kernels?: "wasm" | "plain";
}

/**
 * The trainer that `tensorflowTrainer` is, for a model given as JSON, without TensorFlow.js: an app that only trains needs
 * nothing but this package. Same parameters, settings and results.
 *
 * @throws ClientError BAD_OPTION when arrays and shapes of the examples disagree, or the JSON is no layers model
 * @throws ClientError GUARD_UNSUPPORTED when the model has a layer, or an option of one, that is not compiled
 */
export function compiledTrainer(options: CompiledTrainerOptions): LayersTrainer {
  const { id, examples, held } = options;
  const model = compiledLocalModel(options);
  return layersTrainer({ id, examples, held, open: async () => model });
}
