// Compiled layers: their gradients beside those of TensorFlow.js and beside finite differences of their own loss.
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import fc from "fast-check";
import t from "tap";
import { compiledLocalModel } from "../../src/trainers/layers/compiled.js";
import { startBackend } from "../../src/trainers/tensorflow/index.js";
import { tensorflowLocalModel } from "../../src/trainers/tensorflow/local-model.js";
import { numbers, sizeOf } from "../seeded-values.js";
import { type Case, distance, EXAMPLES, examplesOf, property, ROWS } from "./beside-tensorflow.js";

const sequence = (...parts: layers.layers.Layer[]): layers.Sequential => layers.sequential({ layers: parts });
const extent = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

const ACTIVATIONS = ["linear", "relu", "sigmoid", "tanh", "hardSigmoid", "elu", "relu6", "softmax"] as const;

t.test("dense, with every activation, with and without bias, on vectors and on sequences", (t) =>
  property(
    t,
    fc.record({
      width: extent(1, 9),
      steps: extent(0, 3),
      units: extent(1, 10),
      out: extent(1, 9),
      activation: fc.constantFrom(...ACTIVATIONS),
      useBias: fc.boolean(),
    }),
    ({ width, steps, units, out, activation, useBias }) => ({
      build: () =>
        sequence(
          layers.layers.dense({ units, activation, useBias, inputShape: steps === 0 ? [width] : [steps, width] }),
          ...(steps === 0 ? [] : [layers.layers.flatten()]),
          layers.layers.dense({ units: out }),
        ),
      featureShape: steps === 0 ? [width] : [steps, width],
      labelShape: [out],
    }),
    40,
  ),
);

t.test("activation, reshape and dropout at a rate of 0", (t) =>
  property(
    t,
    fc.constantFrom(...ACTIVATIONS),
    (activation) => ({
      build: () =>
        sequence(
          layers.layers.dense({ units: 6, inputShape: [5] }),
          layers.layers.activation({ activation }),
          layers.layers.reshape({ targetShape: [2, 3] }),
          layers.layers.dense({ units: 2, activation: "tanh" }),
          layers.layers.reshape({ targetShape: [-1] }),
          layers.layers.dropout({ rate: 0 }),
        ),
      featureShape: [5],
      labelShape: [4],
    }),
    10,
  ),
);

for (const loss of ["meanSquaredError", "binaryCrossentropy", "categoricalCrossentropy"] as const) {
  t.test(`${loss}, also where predictions are clipped`, (t) =>
    property(
      t,
      fc.record({ width: extent(1, 6), classes: extent(2, 11), sharp: fc.boolean() }),
      ({ width, classes, sharp }) => ({
        build: () =>
          sequence(
            // Large products drive softmax and sigmoid to where probabilities are 0 or 1.
            ...(sharp
              ? [
                  layers.layers.dense({ units: 300, inputShape: [width] }),
                  layers.layers.reshape({ targetShape: [300] }),
                ]
              : [layers.layers.reshape({ targetShape: [width], inputShape: [width] })]),
            layers.layers.dense({
              units: classes,
              activation: loss === "categoricalCrossentropy" ? "softmax" : "sigmoid",
            }),
          ),
        featureShape: [width],
        labelShape: [classes],
        loss,
      }),
      20,
    ),
  );
}

t.test("conv2d and pooling, with every stride and padding", (t) =>
  property(
    t,
    fc.record({
      rows: extent(5, 9),
      columns: extent(5, 9),
      channels: extent(1, 5),
      filters: extent(1, 5),
      second: extent(1, 4),
      kernel: fc.tuple(extent(1, 4), extent(1, 3)),
      strides: fc.tuple(extent(1, 3), extent(1, 2)),
      padding: fc.constantFrom("same" as const, "valid" as const),
      pool: fc.tuple(extent(1, 3), extent(1, 2)),
      useBias: fc.boolean(),
      global: fc.boolean(),
    }),
    ({ rows, columns, channels, filters, second, kernel, strides, padding, pool, useBias, global }) => ({
      build: () =>
        sequence(
          layers.layers.conv2d({
            filters,
            kernelSize: [...kernel],
            strides: [...strides],
            padding,
            useBias,
            activation: "tanh",
            inputShape: [rows, columns, channels],
          }),
          layers.layers.maxPooling2d({ poolSize: [...pool], strides: [2, 1], padding: "same" }),
          layers.layers.conv2d({
            filters: second,
            kernelSize: [2, 1],
            strides: [...strides],
            padding: "same",
            activation: "relu",
          }),
          global ? layers.layers.globalAveragePooling2d({}) : layers.layers.flatten(),
          layers.layers.dense({ units: 2 }),
        ),
      featureShape: [rows, columns, channels],
      labelShape: [2],
    }),
    25,
  ),
);

t.test("gru, stacked, with every activation", (t) =>
  property(
    t,
    fc.record({
      steps: extent(2, 5),
      width: extent(1, 5),
      units: extent(1, 6),
      second: extent(1, 5),
      recurrentActivation: fc.constantFrom("hardSigmoid" as const, "sigmoid" as const),
      useBias: fc.boolean(),
      whole: fc.boolean(),
    }),
    ({ steps, width, units, second, recurrentActivation, useBias, whole }) => ({
      build: () => {
        const common = { recurrentActivation, useBias, recurrentInitializer: "glorotUniform" } as const;
        return sequence(
          layers.layers.gru({ units, returnSequences: true, inputShape: [steps, width], ...common }),
          layers.layers.gru({ units: second, returnSequences: whole, ...common }),
          ...(whole ? [layers.layers.flatten()] : []),
          layers.layers.dense({ units: 3 }),
        );
      },
      featureShape: [steps, width],
      labelShape: [3],
    }),
    15,
  ),
);

t.test("embedding and lstm, stacked, with every activation", (t) =>
  property(
    t,
    fc.record({
      // TensorFlow.js cannot take the gradient of a sequence of one step.
      steps: extent(2, 5),
      vocabulary: extent(1, 6),
      width: extent(1, 5),
      units: extent(1, 6),
      second: extent(1, 5),
      recurrentActivation: fc.constantFrom("hardSigmoid" as const, "sigmoid" as const),
      activation: fc.constantFrom("tanh" as const, "relu" as const),
      useBias: fc.boolean(),
      whole: fc.boolean(),
    }),
    ({ steps, vocabulary, width, units, second, recurrentActivation, activation, useBias, whole }) => ({
      build: () => {
        const common = { recurrentActivation, activation, useBias, recurrentInitializer: "glorotUniform" } as const;
        return sequence(
          layers.layers.embedding({ inputDim: vocabulary, outputDim: width, inputLength: steps }),
          layers.layers.lstm({ units, returnSequences: true, ...common }),
          layers.layers.lstm({ units: second, returnSequences: whole, ...common }),
          ...(whole ? [layers.layers.flatten()] : []),
          layers.layers.dense({ units: 3 }),
        );
      },
      featureShape: [steps],
      labelShape: [3],
      vocabulary,
    }),
    20,
  ),
);

t.test("models of several inputs that branch and join", (t) =>
  property(
    t,
    fc.record({ vocabulary: extent(2, 6), width: extent(1, 6) }),
    ({ vocabulary, width }) => ({
      build: () => {
        const user = layers.input({ shape: [1] });
        const item = layers.input({ shape: [1] });
        const vector = (input: layers.SymbolicTensor): layers.SymbolicTensor => {
          const rows = only(layers.layers.embedding({ inputDim: vocabulary, outputDim: width }).apply(input));
          return only(layers.layers.flatten().apply(rows));
        };
        const [u, i] = [vector(user), vector(item)];
        const product = only(layers.layers.dot({ axes: -1 }).apply([u, i]));
        const hidden = only(layers.layers.dense({ units: width, activation: "tanh" }).apply(u));
        const sum = only(layers.layers.add().apply([hidden, i]));
        const joined = only(layers.layers.concatenate().apply([product, sum, u]));
        return layers.model({ inputs: [user, item], outputs: only(layers.layers.dense({ units: 2 }).apply(joined)) });
      },
      featureShape: [2],
      labelShape: [2],
      vocabulary,
    }),
    15,
  ),
);

function only(tensors: ReturnType<layers.layers.Layer["apply"]>): layers.SymbolicTensor {
  if (tensors instanceof layers.SymbolicTensor) return tensors;
  throw new TypeError("expected one symbolic tensor");
}

t.test("the gradient is finite differences of the loss", async (t) => {
  await startBackend(["cpu"]);
  const drawn: Case = {
    build: () =>
      sequence(
        layers.layers.conv2d({
          filters: 3,
          kernelSize: 3,
          strides: 2,
          padding: "same",
          activation: "tanh",
          inputShape: [7, 6, 2],
        }),
        layers.layers.reshape({ targetShape: [4, 9] }),
        layers.layers.lstm({ units: 4, recurrentActivation: "sigmoid", recurrentInitializer: "glorotUniform" }),
        layers.layers.dense({ units: 3, activation: "softmax" }),
      ),
    featureShape: [7, 6, 2],
    labelShape: [3],
    loss: "categoricalCrossentropy",
  };
  const built = drawn.build();
  const model = compiledLocalModel({ topology: built.toJSON(undefined, false), loss: "categoricalCrossentropy" });
  const manifest = built.weights.map(({ name, shape }) => ({ name, shape: shape.map((side) => side ?? 1) }));
  const length = manifest.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const parameters = numbers(length, 5).map((value) => value / 2);
  const examples = examplesOf(drawn, 6);
  model.start(parameters, manifest, {
    optimiser: { type: "sgd", learningRate: 1 },
    batchSize: 3,
    wholeGradients: true,
  });
  const gradient = new Float32Array(length);
  model.gradient(examples, ROWS, gradient);
  const lossAt = async (i: number, shift: number): Promise<number> => {
    const moved = parameters.slice();
    moved[i] = (moved[i] ?? 0) + shift;
    model.write(moved);
    return (await model.score(examples, ROWS)).loss / EXAMPLES;
  };
  const step = 1 / 128;
  let most = 0;
  for (let i = 0; i < length; i++) {
    const difference = ((await lossAt(i, step)) - (await lossAt(i, -step))) / (2 * step);
    most = Math.max(most, Math.abs(difference - (gradient[i] ?? 0)));
  }
  t.ok(most < 2e-4, `largest difference ${most}`);
  t.ok(gradient.some((value) => Math.abs(value) > 1e-2));
  built.dispose();
});

t.test("weights of layers that are not trainable keep their values and lie where TensorFlow.js has them", async (t) => {
  await startBackend(["cpu"]);
  const build = (): layers.Sequential =>
    sequence(
      layers.layers.embedding({ inputDim: 4, outputDim: 3, inputLength: 2, trainable: false }),
      layers.layers.flatten(),
      layers.layers.dense({ units: 2, trainable: false }),
      layers.layers.dense({ units: 1 }),
    );
  const built = build();
  const manifest = built.weights.map(({ name, shape }) => ({ name, shape: shape.map((side) => side ?? 1) }));
  const parameters = numbers(12 + 14 + 3, 3);
  const examples = examplesOf({ build, featureShape: [2], labelShape: [1], vocabulary: 4 }, 8);
  const reference = tensorflowLocalModel("cpu", built, "meanSquaredError");
  const model = compiledLocalModel({ topology: built.toJSON(undefined, false), loss: "meanSquaredError" });
  const results: Float32Array[] = [];
  for (const each of [reference, model]) {
    each.start(parameters, manifest, { optimiser: { type: "sgd", learningRate: 0.1 }, batchSize: 3 });
    each.step(examples, ROWS);
    results.push(await each.read());
  }
  const [expected = new Float32Array(), result = new Float32Array()] = results;
  t.ok(distance(expected, result) < 1e-5);
  t.same(result.slice(3), parameters.slice(3), "the last layer's three weights come first");
  t.notSame(result.slice(0, 3), parameters.slice(0, 3));
  reference.close();
});

t.test("features that are no row of an embedding are refused before anything is read", async (t) => {
  await startBackend(["cpu"]);
  const built = sequence(
    layers.layers.embedding({ inputDim: 4, outputDim: 1, inputLength: 1 }),
    layers.layers.flatten(),
  );
  const model = compiledLocalModel({ topology: built.toJSON(undefined, false), loss: "meanSquaredError" });
  for (const id of [4, -1, 0.5, Number.NaN, 1e9]) {
    const examples = { features: Float32Array.of(id), featureShape: [1], labels: Float32Array.of(0), labelShape: [1] };
    t.throws(() => model.step(examples, Uint32Array.of(0)), { code: "BAD_OPTION" }, `${id}`);
  }
  built.dispose();
});

t.test("what is not compiled is refused by name", async (t) => {
  await startBackend(["cpu"]);
  const refused: readonly [string, layers.layers.Layer][] = [
    ["BatchNormalization", layers.layers.batchNormalization({ inputShape: [4] })],
    ["dropout", layers.layers.dropout({ rate: 0.5, inputShape: [4] })],
    ["selu", layers.layers.dense({ units: 2, activation: "selu", inputShape: [4] })],
    [
      "channels first",
      layers.layers.conv2d({ filters: 1, kernelSize: 1, dataFormat: "channelsFirst", inputShape: [1, 4, 4] }),
    ],
    ["dilated", layers.layers.conv2d({ filters: 1, kernelSize: 2, dilationRate: 2, inputShape: [4, 4, 1] })],
    ["mask_zero", layers.layers.embedding({ inputDim: 3, outputDim: 2, maskZero: true, inputLength: 2 })],
    ["open", layers.layers.lstm({ units: 2, recurrentInitializer: "glorotUniform", inputShape: [null, 3] })],
  ];
  for (const [what, layer] of refused) {
    const built = sequence(layer);
    const message = new RegExp(what);
    const topology: unknown = built.toJSON(undefined, false);
    t.throws(
      () => compiledLocalModel({ topology, loss: "meanSquaredError" }),
      { code: "GUARD_UNSUPPORTED", message },
      what,
    );
    built.dispose();
  }
  t.throws(() => compiledLocalModel({ topology: { class_name: "Model" }, loss: "meanSquaredError" }), {
    code: "BAD_OPTION",
  });
  t.equal(tf.getBackend(), "cpu");
});
