// Training whose guarantee is for each example: what is common to the trainers that can do it.
import { type DpSgdParameters, DpSgdRun, dpSgd, type RandomSource } from "@fedloop/privacy";
import { throwIfAborted } from "../errors.js";
import type { TrainingTask } from "./trainer.js";

/** What a plan with unit "example" has a trainer do: its own noise, from the device's cryptographic source. */
export interface ExampleLevelTask {
  readonly parameters: Omit<DpSgdParameters, "dimension">;
  /** Fixed divisor of a step's sum: the plan's, never the size of a batch. */
  readonly lotSize: number;
  readonly random: RandomSource;
}

/** A model as example-level training sees it. */
export interface ExampleLevelModel {
  readonly examples: number;
  /** Numbers in a gradient: the model's, and those of parameters that stay on the device. */
  readonly dimension: number;
  /**
   * The gradient of one example's loss at the present parameters, into `out`, which is zero. It may depend on that
   * example and on what was released, and on no other example.
   */
  gradient(example: number, out: Float32Array): void;
  /** Moves the parameters against the mean gradient. @param noisedMean of the mechanism's dimension */
  step(noisedMean: Float32Array): void;
  /** Lets other work run, now and then. */
  readonly pause?: () => Promise<void>;
}

/**
 * Runs all steps of DP-SGD (Abadi et al. 2016). Everything that the model has become afterwards is a function of noised
 * sums.
 *
 * @throws ClientError ABORTED; PrivacyError NON_FINITE
 */
export async function descendWithNoise(
  model: ExampleLevelModel,
  { parameters, lotSize, random }: ExampleLevelTask,
  { signal, onProgress }: Pick<TrainingTask, "signal" | "onProgress">,
): Promise<void> {
  const { dimension } = model;
  const run = new DpSgdRun(dpSgd({ ...parameters, dimension }), random);
  const gradient = new Float32Array(dimension);
  for (let step = 1; step <= parameters.steps; step++) {
    throwIfAborted(signal);
    for (const example of run.sample(model.examples)) {
      gradient.fill(0);
      model.gradient(example, gradient);
      run.add(gradient);
      await model.pause?.();
    }
    const sum = run.release();
    model.step(sum.map((value) => value / lotSize));
    onProgress(step / parameters.steps);
  }
}
