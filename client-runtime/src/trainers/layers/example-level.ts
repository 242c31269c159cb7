// DP-SGD on a layers model: one gradient an example.
import { descendWithNoise, type ExampleLevelTask } from "../example-level.js";
import { realSetting } from "../settings.js";
import type { TrainingTask } from "../trainer.js";
import { countExamples, type Examples } from "./examples.js";
import type { LocalModel } from "./local-model.js";
import { Pause } from "./pause.js";

/**
 * Takes the plan's steps of plain gradient descent with noise, and leaves the model there. Layers whose outputs or weights
 * depend on a batch beyond its single example (batch normalisation) see one example at a time.
 *
 * Setting: `learningRate` 0.01. The model was started with `wholeGradients`.
 */
export async function descendByExamples(
  model: LocalModel,
  examples: Examples,
  task: TrainingTask,
  level: ExampleLevelTask,
): Promise<void> {
  const learningRate = realSetting(task.settings, "learningRate", 0.01);
  const present = Float32Array.from(task.parameters);
  const row = new Uint32Array(1);
  const pause = new Pause();
  try {
    await descendWithNoise(
      {
        examples: countExamples(examples),
        dimension: present.length,
        gradient(example, out) {
          row[0] = example;
          model.gradient(examples, row, out);
        },
        step(mean) {
          for (let j = 0; j < present.length; j++) present[j] = (present[j] ?? 0) - learningRate * (mean[j] ?? 0);
          model.write(present);
        },
        pause: () => pause.take(),
      },
      level,
      task,
    );
  } finally {
    pause.close();
  }
}
