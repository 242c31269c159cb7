// TensorFlow.js (4.22) convolves with gaps between a kernel's values, but has no gradient for it. The same convolution is that
// of a larger kernel, with zeros in the gaps, which has one.
import * as tf from "@tensorflow/tfjs-core";
import { layers as kinds, type LayersModel } from "@tensorflow/tfjs-layers";

/** Zeros between the values along the first axes. @param rates distance of neighbours, one an axis */
export function spread(kernel: tf.Tensor, rates: readonly number[]): tf.Tensor {
  let wide = kernel;
  for (const [axis, rate] of rates.entries()) {
    const { shape } = wide;
    const extent = shape[axis] ?? 1;
    const sizeOf = (part: readonly number[]): number => part.reduce((size, side) => size * side, 1);
    const [before, after] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
    const cells = tf.pad(tf.reshape(wide, [before, extent, 1, after]), [
      [0, 0],
      [0, 0],
      [0, rate - 1],
      [0, 0],
    ]);
    const reach = (extent - 1) * rate + 1;
    const cut = tf.slice(tf.reshape(cells, [before, extent * rate, after]), [0, 0, 0], [before, reach, after]);
    wide = tf.reshape(cut, [...shape.slice(0, axis), reach, ...shape.slice(axis + 1)]);
  }
  return wide;
}

/** Names of the kernels that a layer convolves with at a distance, by its class. */
const DILATED: Readonly<Record<string, string>> = {
  Conv1D: "kernel",
  Conv2D: "kernel",
  Conv3D: "kernel",
  SeparableConv2D: "depthwiseKernel",
  ConvLSTM2DCell: "kernel",
};

function member(of: object, name: string): unknown {
  return Reflect.get(of, name);
}

/** Where a layer keeps others. */
const INNER = ["cell", "layer", "forwardLayer", "backwardLayer"];

function isReadable(weight: unknown): weight is { read(): tf.Tensor } {
  return typeof weight === "object" && weight !== null && "read" in weight && typeof weight.read === "function";
}

function fill(layer: object): void {
  for (const name of INNER) {
    const inner = member(layer, name);
    if (inner instanceof kinds.Layer) fill(inner);
  }
  const nested = member(layer, "layers");
  if (Array.isArray(nested)) for (const inner of nested) if (inner instanceof kinds.Layer) fill(inner);
  const rates = member(layer, "dilationRate");
  const kernelName = layer instanceof kinds.Layer ? DILATED[layer.getClassName()] : undefined;
  if (!(layer instanceof kinds.Layer) || kernelName === undefined || !Array.isArray(rates)) return;
  if (rates.every((rate) => rate === 1)) return;
  const call = layer.call;
  // The layer as it is, but for a kernel that is already spread.
  const stretched: object = Object.create(layer, {
    dilationRate: { value: rates.map(() => 1) },
    [kernelName]: {
      get: () => {
        const weight = member(layer, kernelName);
        return isReadable(weight) ? { read: () => spread(weight.read(), rates) } : weight;
      },
    },
  });
  layer.call = (inputs, more) => Reflect.apply(call, stretched, [inputs, more]);
}

/** Lets each dilated convolution of a model have a gradient, at any backend. Outputs stay what they are. */
export function withDilatedGradients(model: LayersModel): LayersModel {
  for (const layer of model.layers) fill(layer);
  return model;
}
