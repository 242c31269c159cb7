// A round's training of a small network with a convolution, in a page or in Node.
import type { TrainingTask } from "@fedloop/client-runtime";
import { CompiledModel, compiledTrainer, type Examples } from "@fedloop/client-runtime/engine";

/** Numbers in −1 … 1 that depend on the seed alone. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state / 2 ** 31;
  });
}

const ROWS = 24;

export const examples: Examples = {
  features: numbers(ROWS * 36, 1),
  featureShape: [6, 6, 1],
  labels: Float32Array.from({ length: ROWS * 2 }, (_, i) => ((i >> 1) % 2 === i % 2 ? 1 : 0)),
  labelShape: [2],
};

export const loss = "categoricalCrossentropy";

const convolution = { filters: 3, kernel_size: [3, 3], strides: [1, 1], padding: "same", activation: "tanh" };
/** As Keras and TensorFlow.js write it. */
const topology = {
  class_name: "Sequential",
  config: {
    name: "pictures",
    layers: [
      { class_name: "Conv2D", config: { name: "conv", ...convolution, batch_input_shape: [null, 6, 6, 1] } },
      { class_name: "Flatten", config: { name: "flat" } },
      { class_name: "Dense", config: { name: "dense", units: 2, activation: "softmax" } },
    ],
  },
};

const manifest = [
  { name: "conv/kernel", shape: [3, 3, 1, 3] },
  { name: "conv/bias", shape: [3] },
  { name: "dense/kernel", shape: [108, 2] },
  { name: "dense/bias", shape: [2] },
];
const LENGTH = 27 + 3 + 216 + 2;

export const task: TrainingTask = {
  parameters: numbers(LENGTH, 2).map((value) => value / 4),
  manifest,
  settings: { learningRate: "0.1", epochs: 5, batchSize: 8 },
  updateLength: LENGTH,
  state: { get: async () => undefined, put: async () => {} },
  signal: new AbortController().signal,
  onProgress: () => {},
};

/** What the compiled engine makes of it, and on which kernels. */
export async function trainCompiled(): Promise<{ readonly engine: string; readonly update: readonly number[] }> {
  const trainer = compiledTrainer({ id: "pictures", topology, loss, examples });
  const { update } = await trainer.train(task);
  trainer.close();
  const { kernels } = new CompiledModel({ topology, loss, batchSize: 1, optimiser: { type: "sgd", learningRate: 1 } });
  return { engine: kernels, update: [...update] };
}
