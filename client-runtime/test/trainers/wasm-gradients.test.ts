// The gradient kernels that the WebAssembly backend lacks: beside the cpu backend's, and beside finite differences.
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import t from "tap";
import { startBackend } from "../../src/trainers/tensorflow/index.js";
import { numbers, sizeOf } from "../seeded-values.js";

const SEED = 61;

type Shape4 = [number, number, number, number];

function tensor<Shape extends readonly number[]>(shape: Shape, seed: number): tf.Tensor {
  return tf.tensor(numbers(sizeOf(shape), seed), [...shape]);
}

/** Computes on a backend and gives the numbers. */
async function on(backend: "wasm" | "cpu", compute: () => tf.Tensor): Promise<Float32Array> {
  await startBackend([backend]);
  const result = tf.tidy(compute);
  const values = Float32Array.from(await result.data());
  result.dispose();
  return values;
}

function distance(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? 0)) / (1 + Math.abs(value))), 0);
}

interface Convolution {
  readonly image: Shape4;
  readonly kernel: [number, number];
  readonly filters: number;
  readonly strides: [number, number];
  readonly dilations: [number, number];
  readonly padding: "same" | "valid";
  readonly seed: number;
}

const convolution: fc.Arbitrary<Convolution> = fc
  .record({
    image: fc.tuple(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 5, max: 9 }),
      fc.integer({ min: 5, max: 9 }),
      fc.integer({ min: 1, max: 3 }),
    ),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    filters: fc.integer({ min: 1, max: 3 }),
    strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    dilations: fc.constant<[number, number]>([1, 1]),
    padding: fc.constantFrom("same" as const, "valid" as const),
    seed: fc.integer({ min: 1, max: 1_000_000 }),
  })
  .map((drawn) => ({ ...drawn, image: [...drawn.image], kernel: [...drawn.kernel], strides: [...drawn.strides] }));

function outputShape({ image, kernel, strides, dilations, padding }: Convolution, channels: number): Shape4 {
  const [outRows, outColumns] = [0, 1].map((axis) => {
    const extent = image[axis + 1] ?? 0;
    const stride = strides[axis] ?? 1;
    const reach = ((kernel[axis] ?? 1) - 1) * (dilations[axis] ?? 1) + 1;
    return padding === "same" ? Math.ceil(extent / stride) : Math.ceil((extent - reach + 1) / stride);
  });
  return [image[0], outRows ?? 0, outColumns ?? 0, channels];
}

function filterGradient(drawn: Convolution, depthwise: boolean): tf.Tensor {
  const { image, kernel, filters, strides, dilations, padding, seed } = drawn;
  const x = tensor(image, seed);
  const dy = tensor(outputShape(drawn, depthwise ? image[3] * filters : filters), seed + 1);
  const filterShape = [...kernel, image[3], filters];
  const attrs = { strides, pad: padding, dilations, filterShape, dataFormat: "NHWC" };
  return runKernel(depthwise ? "DepthwiseConv2dNativeBackpropFilter" : "Conv2DBackpropFilter", { x, dy }, attrs);
}

function depthwiseInputGradient(drawn: Convolution): tf.Tensor {
  const { image, kernel, filters, strides, dilations, padding, seed } = drawn;
  const filter = tensor([...kernel, image[3], filters], seed);
  const dy = tensor(outputShape(drawn, image[3] * filters), seed + 1);
  const attrs = { strides, pad: padding, dilations, inputShape: image };
  return runKernel("DepthwiseConv2dNativeBackpropInput", { dy, filter }, attrs);
}

function runKernel(name: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap): tf.Tensor {
  const result = tf.engine().runKernel(name, inputs, attrs);
  if (result instanceof tf.Tensor) return result;
  throw new TypeError(`${name} did not give a tensor`);
}

const GRADIENTS: readonly [string, (drawn: Convolution) => tf.Tensor][] = [
  ["Conv2DBackpropFilter", (drawn) => filterGradient(drawn, false)],
  ["DepthwiseConv2dNativeBackpropFilter", (drawn) => filterGradient(drawn, true)],
  ["DepthwiseConv2dNativeBackpropInput", depthwiseInputGradient],
];

for (const [name, gradient] of GRADIENTS) {
  t.test(`${name} on wasm is what the cpu backend computes`, async (t) => {
    const property = fc.asyncProperty(convolution, async (drawn) => {
      const wasm = await on("wasm", () => gradient(drawn));
      const cpu = await on("cpu", () => gradient(drawn));
      return distance(wasm, cpu) < 1e-5;
    });
    await t.resolves(fc.assert(property, { seed: SEED, numRuns: 60 }));
  });
}

t.test("Conv2DBackpropFilter on wasm takes channels first too", async (t) => {
  const property = fc.asyncProperty(convolution, async (drawn) => {
    const gradient = (): tf.Tensor => {
      const { image, kernel, filters, strides, padding, seed } = drawn;
      const x = tf.transpose(tensor(image, seed), [0, 3, 1, 2]);
      const dy = tf.transpose(tensor(outputShape(drawn, filters), seed + 1), [0, 3, 1, 2]);
      const filterShape = [...kernel, image[3], filters];
      return runKernel("Conv2DBackpropFilter", { x, dy }, { strides, pad: padding, filterShape, dataFormat: "NCHW" });
    };
    return distance(await on("wasm", gradient), await on("wasm", () => filterGradient(drawn, false))) < 1e-5;
  });
  await t.resolves(fc.assert(property, { seed: SEED, numRuns: 20 }));
});

t.test("MaxPoolGrad on wasm is what the cpu backend computes, also where no value is above 0", async (t) => {
  const property = fc.asyncProperty(convolution, fc.constantFrom(-2, 0, 2), async (drawn, shift) => {
    const gradient = (): tf.Tensor => {
      const { image, kernel, strides, padding, seed } = drawn;
      const input = tf.add(tensor(image, seed), shift);
      const dy = tensor(outputShape(drawn, image[3]), seed + 1);
      return runKernel("MaxPoolGrad", { input, dy, output: dy }, { filterSize: kernel, strides, pad: padding });
    };
    return distance(await on("wasm", gradient), await on("cpu", gradient)) < 1e-5;
  });
  await t.resolves(fc.assert(property, { seed: SEED, numRuns: 40 }));
});

t.test("UnsortedSegmentSum on wasm is what the cpu backend computes", async (t) => {
  const drawn = fc.record({
    rows: fc.integer({ min: 1, max: 20 }),
    row: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
    segments: fc.integer({ min: 1, max: 6 }),
    seed: fc.integer({ min: 1, max: 1_000_000 }),
  });
  const property = fc.asyncProperty(drawn, async ({ rows, row, segments, seed }) => {
    const sum = (): tf.Tensor => {
      const ids = Int32Array.from(numbers(rows, seed + 1), (value) => Math.floor((value + 1) * 0.5 * segments));
      return tf.unsortedSegmentSum(tensor([rows, ...row], seed), tf.tensor1d(ids, "int32"), segments);
    };
    return distance(await on("wasm", sum), await on("cpu", sum)) < 1e-5;
  });
  await t.resolves(fc.assert(property, { seed: SEED, numRuns: 40 }));
});

/** Σ weights · forward(x), whose gradient is checked by central differences in each coordinate. */
async function finiteDifferenceGap(
  gradient: () => tf.Tensor,
  at: Float32Array,
  value: (at: Float32Array) => tf.Tensor,
): Promise<number> {
  const exact = await on("wasm", gradient);
  const step = 1 / 64; // the forward pass is linear in each operand: only rounding is left, and a large step has little
  const estimate = new Float32Array(at.length);
  for (let i = 0; i < at.length; i++) {
    const [above, below] = [at.slice(), at.slice()];
    above[i] = (at[i] ?? 0) + step;
    below[i] = (at[i] ?? 0) - step;
    const difference = await on("wasm", () => tf.sub(value(above), value(below)));
    estimate[i] = (difference[0] ?? 0) / (2 * step);
  }
  return distance(exact, estimate);
}

t.test(
  "gradients of depthwise convolutions, dilated ones too, are finite differences of the forward pass",
  async (t) => {
    const dilated = convolution.chain((drawn) =>
      fc.constantFrom<[number, number]>([1, 1], [2, 2], [1, 2]).map((dilations) => ({
        ...drawn,
        image: [1, drawn.image[1] + 3, drawn.image[2] + 3, drawn.image[3]] as Shape4,
        kernel: [Math.min(drawn.kernel[0], 3), Math.min(drawn.kernel[1], 2)] as [number, number],
        filters: 1,
        dilations,
        // The forward pass allows only one of the two.
        strides: dilations[1] === 1 ? drawn.strides : ([1, 1] as [number, number]),
      })),
    );
    const property = fc.asyncProperty(dilated, async (drawn) => {
      const { image, kernel, strides, dilations, padding, seed } = drawn;
      const filterShape: Shape4 = [...kernel, image[3], 1];
      const forward = (x: tf.Tensor, filter: tf.Tensor): tf.Tensor => {
        const weights = tensor(outputShape(drawn, image[3]), seed + 1);
        const y = tf.depthwiseConv2d(
          tf.reshape<tf.Rank.R4>(x, image),
          tf.reshape<tf.Rank.R4>(filter, filterShape),
          strides,
          padding,
          "NHWC",
          dilations,
        );
        return tf.sum(tf.mul(weights, y));
      };
      const filterGap = await finiteDifferenceGap(
        () => filterGradient(drawn, true),
        numbers(sizeOf(filterShape), seed),
        (filter) => forward(tensor(image, seed), tf.tensor(filter)),
      );
      const inputGap = await finiteDifferenceGap(
        () => depthwiseInputGradient(drawn),
        numbers(sizeOf(image), seed),
        (x) => forward(tf.tensor(x), tensor(filterShape, seed)),
      );
      return filterGap < 1e-3 && inputGap < 1e-3;
    });
    await t.resolves(fc.assert(property, { seed: SEED, numRuns: 8 }));
  },
);

t.test("the gradient of a convolution in its filter is finite differences of the forward pass", async (t) => {
  const property = fc.asyncProperty(convolution, async (drawn) => {
    const { image, kernel, filters, strides, padding, seed } = drawn;
    const filterShape: Shape4 = [...kernel, image[3], filters];
    const gap = await finiteDifferenceGap(
      () => filterGradient(drawn, false),
      numbers(sizeOf(filterShape), seed),
      (filter) => {
        const weights = tensor(outputShape(drawn, filters), seed + 1);
        const x = tf.reshape<tf.Rank.R4>(tensor(image, seed), image);
        return tf.sum(tf.mul(weights, tf.conv2d(x, tf.tensor4d(filter, filterShape), strides, padding)));
      },
    );
    return gap < 1e-3;
  });
  await t.resolves(fc.assert(property, { seed: SEED, numRuns: 8 }));
});

type Shape5 = [number, number, number, number, number];

interface Volume {
  readonly volume: Shape5;
  readonly window: [number, number, number];
  readonly strides: [number, number, number];
  readonly filters: number;
  readonly padding: "same" | "valid";
  readonly seed: number;
}

const side = fc.integer({ min: 4, max: 6 });
const few = fc.integer({ min: 1, max: 3 });
const volumes: fc.Arbitrary<Volume> = fc
  .record({
    volume: fc.tuple(fc.integer({ min: 1, max: 2 }), side, side, side, fc.integer({ min: 1, max: 2 })),
    window: fc.tuple(few, few, few),
    strides: fc.tuple(few, few, few),
    filters: few,
    padding: fc.constantFrom("same" as const, "valid" as const),
    seed: fc.integer({ min: 1, max: 1_000_000 }),
  })
  .map((drawn) => ({
    ...drawn,
    volume: [...drawn.volume],
    window: [...drawn.window],
    strides: [...drawn.strides],
  }));

/** Gradients of what a volume gives, squared so that each place of the output counts in its own way. */
const OF_VOLUMES: readonly [string, (drawn: Volume) => tf.Tensor][] = [
  [
    "Conv3DBackpropFilterV2",
    (drawn) => tf.grad((filter) => convolved(drawn, volumeOf(drawn), filter))(filterOf(drawn)),
  ],
  ["Conv3DBackpropInputV2", (drawn) => tf.grad((x) => convolved(drawn, x, filterOf(drawn)))(volumeOf(drawn))],
  [
    "MaxPool3DGrad",
    (drawn) => {
      const { volume, strides, padding, seed } = drawn;
      // The cpu backend's own (4.22) is wrong where a window has not as many rows as columns.
      const [depth, rows] = drawn.window;
      // In a third of the draws no value is above 0.
      const x = tf.add(volumeOf(drawn), (seed % 3) - 2);
      return tf.grad((at) => {
        const pooled = tf.maxPool3d(tf.reshape<tf.Rank.R5>(at, volume), [depth, rows, rows], strides, padding);
        return tf.sum(tf.square(pooled));
      })(x);
    },
  ],
];

function volumeOf({ volume, seed }: Volume): tf.Tensor {
  return tensor(volume, seed);
}

function filterShapeOf({ volume, window, filters }: Volume): Shape5 {
  return [...window, volume[4], filters];
}

function filterOf(drawn: Volume): tf.Tensor {
  return tensor(filterShapeOf(drawn), drawn.seed + 1);
}

function convolved(drawn: Volume, x: tf.Tensor, filter: tf.Tensor): tf.Tensor {
  const { volume, strides, padding } = drawn;
  const [at, by] = [tf.reshape<tf.Rank.R5>(x, volume), tf.reshape<tf.Rank.R5>(filter, filterShapeOf(drawn))];
  return tf.sum(tf.square(tf.conv3d(at, by, strides, padding)));
}

for (const [name, gradient] of OF_VOLUMES) {
  t.test(`${name} on wasm is what the cpu backend computes`, async (t) => {
    const property = fc.asyncProperty(volumes, async (drawn) => {
      const wasm = await on("wasm", () => gradient(drawn));
      return distance(wasm, await on("cpu", () => gradient(drawn))) < 1e-4;
    });
    await t.resolves(fc.assert(property, { seed: SEED, numRuns: 30 }));
  });
}

t.test(
  "convolutions on wasm are what the cpu backend computes, also where a stride is longer than its window",
  async (t) => {
    const property = fc.asyncProperty(convolution, fc.boolean(), async (drawn, depthwise) => {
      const forward = (): tf.Tensor => {
        const { image, kernel, filters, strides, padding, seed } = drawn;
        const x = tf.reshape<tf.Rank.R4>(tensor(image, seed), image);
        const shape: Shape4 = [...kernel, image[3], filters];
        const filter = tf.reshape<tf.Rank.R4>(tensor(shape, seed + 1), shape);
        return depthwise ? tf.depthwiseConv2d(x, filter, strides, padding) : tf.conv2d(x, filter, strides, padding);
      };
      return distance(await on("wasm", forward), await on("cpu", forward)) < 1e-5;
    });
    await t.resolves(fc.assert(property, { seed: SEED, numRuns: 60 }));
  },
);

t.test("the kernels leave no tensors behind", async (t) => {
  await startBackend(["wasm"]);
  const drawn: Convolution = {
    image: [2, 6, 6, 2],
    kernel: [3, 3],
    filters: 2,
    strides: [2, 2],
    dilations: [1, 1],
    padding: "same",
    seed: 3,
  };
  const dataIds = (): number => tf.engine().backend.numDataIds();
  const before = dataIds();
  tf.tidy(() => {
    for (const [, gradient] of GRADIENTS) gradient(drawn);
  });
  t.equal(dataIds(), before);
});
