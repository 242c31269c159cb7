// The five models on which training is measured, as TensorFlow.js layers.
import type { Examples, LayersModelOptions } from "@fedloop/client-runtime/tensorflow";
import * as layers from "@tensorflow/tfjs-layers";

/** Extents of the models: as measured, and small for tests. */
export interface ModelSizes {
  readonly pixels: number;
  readonly hidden: number;
  readonly users: number;
  readonly items: number;
  readonly factors: number;
  readonly units: number;
  readonly steps: number;
  readonly vocabulary: number;
}

export const measuredSizes: ModelSizes = {
  pixels: 28,
  hidden: 128,
  users: 6040,
  items: 3706,
  factors: 32,
  units: 256,
  steps: 80,
  vocabulary: 80,
};

/** A model and the examples that it is trained on. */
export interface TrainingCase {
  readonly name: string;
  readonly loss: LayersModelOptions["loss"];
  readonly batchSize: number;
  readonly featureShape: readonly number[];
  readonly labelShape: readonly number[];
  /** For each feature of a row, what integers it takes: below this number. Reals where it is left out. */
  readonly vocabularies?: readonly number[];
  readonly build: () => layers.LayersModel;
}

function only(tensors: ReturnType<layers.layers.Layer["apply"]>): layers.SymbolicTensor {
  if (tensors instanceof layers.SymbolicTensor) return tensors;
  throw new TypeError("expected a layer with one output");
}

function factorisation({ users, items, factors }: ModelSizes): layers.LayersModel {
  const inputs = [users, items].map(() => layers.input({ shape: [1] }));
  const rows = inputs.map((input, i) => {
    const table = layers.layers.embedding({ inputDim: i === 0 ? users : items, outputDim: factors });
    return only(layers.layers.flatten().apply(only(table.apply(input))));
  });
  return layers.model({ inputs, outputs: only(layers.layers.dot({ axes: -1 }).apply(rows)) });
}

function convolutional({ pixels }: ModelSizes): layers.LayersModel {
  return layers.sequential({
    layers: [
      layers.layers.conv2d({ filters: 16, kernelSize: 5, activation: "relu", inputShape: [pixels, pixels, 1] }),
      layers.layers.maxPooling2d({ poolSize: 2 }),
      layers.layers.conv2d({ filters: 32, kernelSize: 5, activation: "relu" }),
      layers.layers.maxPooling2d({ poolSize: 2 }),
      layers.layers.flatten(),
      layers.layers.dense({ units: 10, activation: "softmax" }),
    ],
  });
}

function recurrent({ units, steps, vocabulary }: ModelSizes): layers.LayersModel {
  const recurrentInitializer = "glorotUniform";
  return layers.sequential({
    layers: [
      layers.layers.embedding({ inputDim: vocabulary, outputDim: 8, inputLength: steps }),
      layers.layers.lstm({ units, returnSequences: true, recurrentInitializer }),
      layers.layers.lstm({ units, recurrentInitializer }),
      layers.layers.dense({ units: vocabulary, activation: "softmax" }),
    ],
  });
}

/** Logistic regression, MLP, CNN, matrix factorisation and LSTM. */
export function trainingCases(sizes: ModelSizes = measuredSizes): readonly TrainingCase[] {
  const { pixels, hidden, users, items, steps, vocabulary } = sizes;
  const image = pixels * pixels;
  const classes = { loss: "categoricalCrossentropy", batchSize: 32, labelShape: [10] } as const;
  return [
    {
      name: "logistic regression",
      ...classes,
      featureShape: [image],
      build: () =>
        layers.sequential({ layers: [layers.layers.dense({ units: 10, activation: "softmax", inputShape: [image] })] }),
    },
    {
      name: "MLP",
      ...classes,
      featureShape: [image],
      build: () =>
        layers.sequential({
          layers: [
            layers.layers.dense({ units: hidden, activation: "relu", inputShape: [image] }),
            layers.layers.dense({ units: 10, activation: "softmax" }),
          ],
        }),
    },
    { name: "CNN", ...classes, featureShape: [pixels, pixels, 1], build: () => convolutional(sizes) },
    {
      name: "matrix factorisation",
      loss: "meanSquaredError",
      batchSize: 256,
      featureShape: [2],
      labelShape: [1],
      vocabularies: [users, items],
      build: () => factorisation(sizes),
    },
    {
      name: "LSTM",
      loss: "categoricalCrossentropy",
      batchSize: 10,
      featureShape: [steps],
      labelShape: [vocabulary],
      vocabularies: Array.from({ length: steps }, () => vocabulary),
      build: () => recurrent(sizes),
    },
  ];
}

/** Examples of the case's shapes from a small seeded generator: what they say does not matter for speed. */
export function examplesOf(
  { featureShape, labelShape, vocabularies }: TrainingCase,
  count: number,
  seed: number,
): Examples {
  let state = seed | 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
  const width = featureShape.reduce((product, extent) => product * extent, 1);
  const [classes = 1] = labelShape;
  const features = Float32Array.from({ length: count * width }, (_, i) => {
    const vocabulary = vocabularies?.[i % width];
    return vocabulary === undefined ? next() : Math.floor(next() * vocabulary);
  });
  const labels = new Float32Array(count * classes);
  for (let row = 0; row < count; row++) {
    if (classes === 1) labels[row] = next();
    else labels[row * classes + Math.floor(next() * classes)] = 1;
  }
  return { features, featureShape, labels, labelShape };
}
