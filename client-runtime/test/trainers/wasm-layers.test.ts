// Whatever the layers API builds has the same gradients on the WebAssembly backend as on cpu; or, where the cpu backend is wrong
// itself or both take the same way, finite differences of its own loss.
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import t from "tap";
import { startBackend } from "../../src/trainers/tensorflow/index.js";
import { tensorflowLocalModel } from "../../src/trainers/tensorflow/local-model.js";
import { numbers, sizeOf } from "../seeded-values.js";

const kinds = layers.layers;
type Layer = layers.layers.Layer;
type Build = () => layers.LayersModel;

const closed = (shape: readonly (number | null)[]): number[] => shape.map((extent) => extent ?? 2);

const FLAT = { inputShape: [4] };
const SERIES = { inputShape: [8, 3] };
const FORMATS = ["channelsLast", "channelsFirst"] as const;
const PADDINGS = ["same", "valid"] as const;
const GATED = { units: 3, recurrentInitializer: "glorotUniform" } as const;

type Format = (typeof FORMATS)[number];

function images(dataFormat: Format): { inputShape: number[]; dataFormat: Format } {
  return { inputShape: dataFormat === "channelsFirst" ? [2, 8, 7] : [8, 7, 2], dataFormat };
}

function volumes(dataFormat: Format): { inputShape: number[]; dataFormat: Format } {
  return { inputShape: dataFormat === "channelsFirst" ? [2, 6, 5, 5] : [6, 5, 5, 2], dataFormat };
}

const cases = new Map<string, Build>();

function add(name: string, ...build: readonly (() => Layer)[]): void {
  cases.set(name, () => layers.sequential({ layers: build.map((make) => make()) }));
}

for (const dataFormat of FORMATS) {
  const [image, volume] = [images(dataFormat), volumes(dataFormat)];
  const flat = (): Layer => kinds.conv2d({ ...image, filters: 2, kernelSize: 1 });
  const deep = (): Layer => kinds.conv3d({ ...volume, filters: 2, kernelSize: 1 });
  for (const padding of PADDINGS) {
    for (const [strides, dilationRate] of [
      [1, 1],
      [2, 1],
      [3, 1],
      [1, 2],
    ] as const) {
      const name = `${dataFormat}, ${padding}, stride ${strides}, dilation ${dilationRate}`;
      const windows = { filters: 2, kernelSize: 2, padding, strides };
      add(`conv1d, ${name}`, () => kinds.conv1d({ ...SERIES, ...windows, dilationRate }));
      add(`conv2d, ${name}`, () => kinds.conv2d({ ...image, ...windows, dilationRate }));
      add(`conv3d, ${name}`, () => kinds.conv3d({ ...volume, ...windows, dilationRate }));
      if (dataFormat === "channelsLast") {
        add(`separableConv2d, ${name}`, () => kinds.separableConv2d({ ...image, ...windows, dilationRate }));
      }
      if (dilationRate > 1) continue;
      add(`convolutions of convolutions, ${name}`, flat, () =>
        kinds.conv2d({ ...windows, dataFormat, activation: "tanh" }),
      );
      add(`volumes of volumes, ${name}`, deep, () => kinds.conv3d({ ...windows, dataFormat, activation: "tanh" }));
      add(`depthwiseConv2d, ${name}`, () => kinds.depthwiseConv2d({ ...image, ...windows, depthMultiplier: 2 }));
      add(`conv2dTranspose, ${name}`, () => kinds.conv2dTranspose({ ...image, ...windows }));
      add(`conv3dTranspose, ${name}`, () => kinds.conv3dTranspose({ ...volume, ...windows }));
      const line = { poolSize: 2, strides, padding } as const;
      const square = { poolSize: [2, 2] as [number, number], strides, padding, dataFormat };
      const cube = { ...square, poolSize: [2, 2, 2] as [number, number, number] };
      const series = (): Layer => kinds.conv1d({ ...SERIES, filters: 2, kernelSize: 1 });
      add(`maxPooling1d, ${name}`, series, () => kinds.maxPooling1d(line));
      add(`averagePooling1d, ${name}`, series, () => kinds.averagePooling1d(line));
      add(`maxPooling2d, ${name}`, flat, () => kinds.maxPooling2d({ ...square, strides: [strides, strides] }));
      add(`averagePooling2d, ${name}`, flat, () => kinds.averagePooling2d({ ...square, strides: [strides, strides] }));
      const along = { ...cube, strides: [strides, strides, strides] as [number, number, number] };
      add(`maxPooling3d, ${name}`, deep, () => kinds.maxPooling3d(along));
      add(`averagePooling3d, ${name}`, deep, () => kinds.averagePooling3d(along));
    }
  }
  add(`globalMaxPooling2d, ${dataFormat}`, flat, () => kinds.globalMaxPooling2d({ dataFormat }));
  add(`globalAveragePooling2d, ${dataFormat}`, flat, () => kinds.globalAveragePooling2d({ dataFormat }));
  add(`zeroPadding2d, ${dataFormat}`, flat, () => kinds.zeroPadding2d({ padding: [2, 1], dataFormat }));
  const frames = { inputShape: dataFormat === "channelsFirst" ? [3, 2, 5, 5] : [3, 5, 5, 2], dataFormat };
  const kernel = { filters: 2, kernelSize: 2, recurrentInitializer: "glorotUniform" } as const;
  add(`convLstm2d, ${dataFormat}`, () => kinds.convLstm2d({ ...frames, ...kernel }));
  add(`convLstm2d, ${dataFormat}, dilated`, () => kinds.convLstm2d({ ...frames, ...kernel, dilationRate: 2 }));
}

const ACTIVATIONS = [
  "elu",
  "hardSigmoid",
  "relu6",
  "selu",
  "softmax",
  "softplus",
  "softsign",
  "swish",
  "mish",
] as const;
for (const activation of ACTIVATIONS) add(activation, () => kinds.dense({ ...FLAT, units: 3, activation }));
const hidden = (): Layer => kinds.dense({ ...FLAT, units: 3 });
add("leakyReLU", hidden, () => kinds.leakyReLU());
add("prelu", hidden, () => kinds.prelu());
add("thresholdedReLU", hidden, () => kinds.thresholdedReLU({ theta: 0.1 }));
add("batchNormalization", hidden, () => kinds.batchNormalization());
add("layerNormalization", hidden, () => kinds.layerNormalization());
for (const returnSequences of [false, true]) {
  const options = { ...SERIES, ...GATED, returnSequences };
  add(`simpleRNN, ${returnSequences}`, () => kinds.simpleRNN(options));
  add(`gru, ${returnSequences}`, () => kinds.gru(options));
  add(`lstm, ${returnSequences}`, () => kinds.lstm({ ...options, goBackwards: true }));
}
add("bidirectional", () => kinds.bidirectional({ ...SERIES, layer: kinds.gru({ ...GATED, returnSequences: true }) }));
add("timeDistributed", () =>
  kinds.timeDistributed({
    inputShape: [3, 8, 3],
    layer: kinds.conv1d({ filters: 2, kernelSize: 2, dilationRate: 2, inputShape: [8, 3] }),
  }),
);
add(
  "masking",
  () => kinds.masking(SERIES),
  () => kinds.lstm(GATED),
);
add("embedding", () => kinds.embedding({ inputDim: 7, outputDim: 3, inputLength: 4 }));
for (const merge of ["average", "concatenate", "maximum", "minimum", "multiply"] as const) {
  cases.set(merge, () => {
    const input = layers.input({ shape: [4] });
    const sides = [1, 2].map(() => only(kinds.dense({ units: 3 }).apply(input)));
    return layers.model({ inputs: input, outputs: only(kinds[merge]().apply(sides)) });
  });
}

function only(tensors: ReturnType<Layer["apply"]>): layers.SymbolicTensor {
  if (tensors instanceof layers.SymbolicTensor) return tensors;
  throw new TypeError("expected one symbolic tensor");
}

/** A model on a backend, its weights small numbers, and examples for it. */
async function open(name: string, build: Build, backend: "wasm" | "cpu") {
  await startBackend([backend]);
  const built = build();
  const featureShape = closed(built.inputs[0]?.shape.slice(1) ?? []);
  const labelShape = closed(built.outputs[0]?.shape.slice(1) ?? []);
  const manifest = built.weights.map(({ name, shape }) => ({ name, shape: closed(shape) }));
  const parameters = numbers(
    manifest.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    5,
  ).map((value) => value / 2);
  const features = numbers(2 * sizeOf(featureShape), 9);
  const examples = {
    features: name === "embedding" ? features.map((value) => Math.floor((value + 1) * 3.5)) : features,
    featureShape,
    labels: numbers(2 * sizeOf(labelShape), 11),
    labelShape,
  };
  const model = tensorflowLocalModel(backend, built, "meanSquaredError");
  model.start(parameters, manifest, { optimiser: { type: "sgd", learningRate: 0.1 }, batchSize: 2 });
  return { model, examples, parameters };
}

const ROWS = Uint32Array.of(0, 1);

async function gradientOn(name: string, build: Build, backend: "wasm" | "cpu"): Promise<Float32Array> {
  const { model, examples, parameters } = await open(name, build, backend);
  const gradient = new Float32Array(parameters.length);
  model.gradient(examples, ROWS, gradient);
  model.close();
  return gradient;
}

/** Largest difference, of the largest number there is. */
function distance(a: Float32Array, b: Float32Array): number {
  const most = a.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return a.reduce((gap, value, i) => Math.max(gap, Math.abs(value - (b[i] ?? Number.NaN))), 0) / most;
}

t.test("each layer's gradients on wasm are those on cpu", async (t) => {
  for (const [name, build] of cases) {
    const [wasm, cpu] = [await gradientOn(name, build, "wasm"), await gradientOn(name, build, "cpu")];
    const gap = distance(cpu, wasm);
    if (!(gap < 1e-4)) t.fail(`${name}: ${gap}`);
  }
  t.ok(cases.size > 150, `${cases.size} models`);
});

/** Where both backends take the same way, or the cpu backend (4.22) is wrong: see below. */
const BY_DIFFERENCES = [
  "conv1d, channelsLast, same, stride 1, dilation 2",
  "conv2d, channelsLast, valid, stride 1, dilation 2",
  "conv2d, channelsFirst, same, stride 1, dilation 2",
  "conv3d, channelsLast, valid, stride 1, dilation 2",
  "separableConv2d, channelsLast, same, stride 1, dilation 2",
  "convLstm2d, channelsLast, dilated",
  "conv3dTranspose, channelsLast, same, stride 2, dilation 1",
  "volumes of volumes, channelsLast, valid, stride 2, dilation 1",
];

/** For images that are not square, and windows of volumes that are not, the cpu backend's gradients are wrong. */
const beyondCpu = new Map<string, Build>();
for (const interpolation of ["nearest", "bilinear"] as const) {
  beyondCpu.set(`upSampling2d, ${interpolation}`, () =>
    layers.sequential({
      layers: [
        kinds.conv2d({ ...images("channelsLast"), filters: 2, kernelSize: 1 }),
        kinds.upSampling2d({ size: [2, 2], interpolation }),
      ],
    }),
  );
}
beyondCpu.set("maxPooling3d, oblong windows", () =>
  layers.sequential({
    layers: [
      kinds.conv3d({ ...volumes("channelsLast"), filters: 2, kernelSize: 1 }),
      kinds.maxPooling3d({ poolSize: [1, 3, 2], strides: [1, 2, 1], padding: "same" }),
    ],
  }),
);

for (const name of [...BY_DIFFERENCES, ...beyondCpu.keys()]) {
  t.test(`${name}: the gradient on wasm is finite differences of the loss`, async (t) => {
    const build = cases.get(name) ?? beyondCpu.get(name);
    if (build === undefined) throw new Error(`expected a case ${name}`);
    const gradient = await gradientOn(name, build, "wasm");
    const { model, examples, parameters } = await open(name, build, "wasm");
    const lossAt = async (i: number, shift: number): Promise<number> => {
      const moved = parameters.slice();
      moved[i] = (moved[i] ?? 0) + shift;
      model.write(moved);
      return (await model.score(examples, ROWS)).loss / ROWS.length;
    };
    const step = 1 / 256; // small enough for the kinks of pooling, large enough for rounding
    const differences = new Float32Array(parameters.length);
    for (let i = 0; i < parameters.length; i += 1 + Math.floor(parameters.length / 40)) {
      differences[i] = ((await lossAt(i, step)) - (await lossAt(i, -step))) / (2 * step);
      if (Math.abs((differences[i] ?? 0) - (gradient[i] ?? 0)) > 2e-3) {
        t.fail(`parameter ${i}: ${gradient[i]}, by differences ${differences[i]}`);
      }
    }
    model.close();
    t.ok(differences.some((value) => Math.abs(value) > 1e-2));
  });
}

t.test("a kernel that is spread out convolves as TensorFlow.js does at a distance", async (t) => {
  for (const [name, build] of cases) {
    if (!name.includes("dilation 2") && !name.endsWith("dilated")) continue;
    await startBackend(["cpu"]);
    const built = build();
    const [own = [], x] = tf.tidy(() => {
      const input = tf.tensor(numbers(2 * sizeOf(closed(built.inputs[0]?.shape.slice(1) ?? [])), 9), [
        2,
        ...closed(built.inputs[0]?.shape.slice(1) ?? []),
      ]);
      const before = built.apply(input);
      return [before instanceof tf.Tensor ? [...before.dataSync()] : [], tf.keep(input)] as const;
    });
    const model = tensorflowLocalModel("cpu", built, "meanSquaredError");
    const after = tf.tidy(() => {
      const output = built.apply(x);
      return output instanceof tf.Tensor ? Float32Array.from(output.dataSync()) : new Float32Array();
    });
    t.ok(own.length > 0 && distance(Float32Array.from(own), after) < 1e-6, name);
    x.dispose();
    model.close();
  }
});
