// DP-SGD on a layers model: one gradient an example.
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { descendWithNoise, type ExampleLevelTask } from "../example-level.js";
import { realSetting } from "../settings.js";
import type { TrainingTask } from "../trainer.js";
import { batchOf, countExamples, type Examples } from "./examples.js";
import { writeParameters } from "./parameters.js";

/** What a gradient is taken of: the loss of one example, from its inputs and targets. */
export type ExampleLoss = (inputs: tf.Tensor, targets: tf.Tensor) => tf.Scalar;

/**
 * Takes the plan's steps of plain gradient descent with noise, and leaves the model there. Layers whose outputs or weights
 * depend on a batch beyond its single example (batch normalisation) see one example at a time.
 *
 * Setting: `learningRate` 0.01.
 */
export async function descendByExamples(
  model: LayersModel,
  examples: Examples,
  loss: ExampleLoss,
  task: TrainingTask,
  level: ExampleLevelTask,
  pause: () => Promise<void>,
): Promise<void> {
  const learningRate = realSetting(task.settings, "learningRate", 0.01);
  const present = Float32Array.from(task.parameters);
  const trainable = new Map(model.trainableWeights.map((weight) => [weight.name, weight]));
  const places = placesOf(model);
  const variables = [...trainable.keys()].flatMap((name) => {
    const variable = tf.engine().registeredVariables[name];
    return variable === undefined ? [] : [variable];
  });
  await descendWithNoise(
    {
      examples: countExamples(examples),
      dimension: present.length,
      gradient(example, out) {
        tf.tidy(() => {
          const { inputs, targets } = batchOf(examples, Uint32Array.of(example));
          const { grads } = tf.variableGrads(() => loss(inputs, targets), variables);
          for (const [name, gradient] of Object.entries(grads)) {
            const offset = places.get(name);
            if (offset !== undefined) out.set(gradient.dataSync<"float32">(), offset);
          }
        });
      },
      step(mean) {
        for (let j = 0; j < present.length; j++) present[j] = (present[j] ?? 0) - learningRate * (mean[j] ?? 0);
        writeParameters(model, present, task.manifest);
      },
      pause,
    },
    level,
    task,
  );
}

/** Where each weight's numbers begin in the flat vector. */
function placesOf(model: LayersModel): Map<string, number> {
  const places = new Map<string, number>();
  let offset = 0;
  for (const { name, shape } of model.weights) {
    places.set(name, offset);
    offset += shape.reduce<number>((product, extent) => product * (extent ?? 1), 1);
  }
  return places;
}
