import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { LossName } from "../../engine/plan/loss.js";
import { ClientError } from "../../errors.js";
import { compiledLocalModel } from "../layers/compiled.js";
import type { Examples } from "../layers/examples.js";
import { type LayersTrainer, layersTrainer } from "../layers/layers-trainer.js";
import type { LayersEngine, LocalModel } from "../layers/local-model.js";
import { startBackend } from "./backend.js";
import { tensorflowLocalModel } from "./local-model.js";

/** A layers model, and which engines may run it. */
export interface LayersModelOptions {
  /** Builds the model, once. Its weights are overwritten by each round's. */
  readonly model: () => LayersModel | Promise<LayersModel>;
  readonly loss: LossName;
  /**
   * Engines in the order in which they are tried: TensorFlow.js's native one where it is installed, then fedloop's
   * compiled plans, then TensorFlow.js on wasm and on cpu, which take what is not compiled.
   */
  readonly backends?: readonly LayersEngine[];
}

/** A layers model and one participant's examples. */
export interface TensorflowTrainerOptions extends LayersModelOptions {
  /** What plans for this trainer name. */
  readonly id: string;
  readonly examples: Examples;
  /** For evaluation rounds; the training examples where nothing is given. */
  readonly held?: Examples;
}

/** A trainer that holds tensors until it is closed. */
export type TensorflowTrainer = LayersTrainer;

/** The fastest first. */
const PREFERENCE: readonly LayersEngine[] = ["tensorflow", "compiled", "wasm", "cpu"];

async function compiled({ model, loss }: LayersModelOptions): Promise<LocalModel> {
  // Building a model takes a backend, if only for the first weights.
  await startBackend(["cpu", "wasm"]);
  const built = await model();
  try {
    return compiledLocalModel({ topology: built.toJSON(undefined, false), loss });
  } finally {
    built.dispose();
  }
}

/**
 * Brings a layers model to the first engine that is installed and has all it needs.
 *
 * @throws ClientError BACKEND when none does
 */
export async function openLayersModel(options: LayersModelOptions): Promise<LocalModel> {
  const engines = options.backends ?? PREFERENCE;
  const failures: unknown[] = [];
  for (const engine of engines) {
    try {
      if (engine === "compiled") return await compiled(options);
      await startBackend([engine]);
    } catch (cause) {
      if (!(cause instanceof ClientError)) throw cause;
      failures.push(cause);
      continue;
    }
    return tensorflowLocalModel(engine, await options.model(), options.loss);
  }
  throw new ClientError(
    "BACKEND",
    `expected one of ${engines.join(", ")} to take the model; install @tensorflow/tfjs-backend-wasm or -cpu`,
    { cause: new AggregateError(failures) },
  );
}

/**
 * A trainer for a TensorFlow.js layers model with one output. It runs as a compiled plan (see `@fedloop/client-runtime/engine`)
 * where its layers are compiled, else on TensorFlow.js; the results agree up to rounding.
 *
 * Parameters: all weights of the model in its own order. Update: the local change of each, as long as the parameters.
 * Evaluation: [lossScale · mean loss, share predicted right, 1], so that who has many examples weighs no more than who
 * has few. Settings (reals as decimal strings): `optimiser` "sgd" or "adam", `learningRate` 0.01, `momentum` 0,
 * `epochs` 1, `batchSize` 32, `seed` 1 of the order of examples, `lossScale` 1. Under a plan whose
 * unit is the example it takes the plan's steps of DP-SGD, with `learningRate` alone.
 *
 * Refuses to hand out an update that is not finite (NON_FINITE) or comes from a lost graphics context (BACKEND).
 *
 * @throws ClientError BAD_OPTION when arrays and shapes of the examples disagree
 */
export function tensorflowTrainer(options: TensorflowTrainerOptions): TensorflowTrainer {
  const { id, examples, held } = options;
  return layersTrainer({ id, examples, held, open: () => openLayersModel(options) });
}
