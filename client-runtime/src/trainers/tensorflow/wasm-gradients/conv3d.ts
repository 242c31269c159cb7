import { backend_util, type KernelConfig, type TensorInfo } from "@tensorflow/tfjs-core";
import {
  fiveAttribute,
  fiveExtents,
  input,
  type KernelCall,
  namedPaddingAttribute,
  tripleAttribute,
  valuesOf,
  wasmBackend,
} from "./operands.js";
import { type Axes, forEachMeeting, volumeAxes } from "./windows.js";

type Extents = [number, number, number, number, number];

/** Of a convolution of volumes; the gradients know no dilation, as TensorFlow.js' own. */
function axesOf(call: KernelCall, inputShape: Extents, filterShape: Extents): Axes {
  const strides = tripleAttribute(call, "strides");
  return volumeAxes(backend_util.computeConv3DInfo(inputShape, filterShape, strides, 1, namedPaddingAttribute(call)));
}

function backpropFilter(call: KernelCall): TensorInfo {
  const backend = wasmBackend(call);
  const x = input(call, "x");
  const dy = input(call, "dy");
  const filterShape = fiveAttribute(call, "filterShape");
  const [, , , channels, filters] = filterShape;
  const output = backend.makeOutput(filterShape, "float32");
  const sums = valuesOf(backend, output);
  const values = valuesOf(backend, x);
  const gradients = valuesOf(backend, dy);
  sums.fill(0);
  const inputShape = fiveExtents(x.shape, "of x");
  forEachMeeting(inputShape[0], axesOf(call, inputShape, filterShape), (from, at, window) => {
    for (let channel = 0; channel < channels; channel++) {
      const value = values[from * channels + channel] ?? 0;
      const to = (window * channels + channel) * filters;
      for (let i = 0; i < filters; i++) sums[to + i] = (sums[to + i] ?? 0) + value * (gradients[at * filters + i] ?? 0);
    }
  });
  return output;
}

function backpropInput(call: KernelCall): TensorInfo {
  const backend = wasmBackend(call);
  const dy = input(call, "dy");
  const filter = input(call, "filter");
  const inputShape = fiveAttribute(call, "inputShape");
  const filterShape = fiveExtents(filter.shape, "of the filter");
  const [, , , channels, filters] = filterShape;
  const output = backend.makeOutput(inputShape, "float32");
  const sums = valuesOf(backend, output);
  const gradients = valuesOf(backend, dy);
  const weights = valuesOf(backend, filter);
  sums.fill(0);
  forEachMeeting(inputShape[0], axesOf(call, inputShape, filterShape), (to, at, window) => {
    for (let channel = 0; channel < channels; channel++) {
      const from = (window * channels + channel) * filters;
      let sum = 0;
      for (let i = 0; i < filters; i++) sum += (gradients[at * filters + i] ?? 0) * (weights[from + i] ?? 0);
      sums[to * channels + channel] = (sums[to * channels + channel] ?? 0) + sum;
    }
  });
  return output;
}

/** Conv3DBackpropFilterV2 for the WebAssembly backend, whose own is wrong for strides above 1. */
export const conv3dFilterGradient: KernelConfig = {
  kernelName: "Conv3DBackpropFilterV2",
  backendName: "wasm",
  kernelFunc: backpropFilter,
};

/** Conv3DBackpropInputV2 for the WebAssembly backend, whose own is wrong. */
export const conv3dInputGradient: KernelConfig = {
  kernelName: "Conv3DBackpropInputV2",
  backendName: "wasm",
  kernelFunc: backpropInput,
};
