import { backend_util, type KernelConfig, type TensorInfo } from "@tensorflow/tfjs-core";
import {
  fourExtents,
  input,
  type KernelCall,
  paddingAttribute,
  pairAttribute,
  roundingAttribute,
  shapeAttribute,
  valuesOf,
  wasmBackend,
} from "./operands.js";
import { type Axes, FLAT, forEachMeeting } from "./windows.js";

type Geometry = backend_util.Conv2DInfo;
type Extents = [number, number, number, number];

function geometryOf(call: KernelCall, inputShape: Extents, filterShape: Extents): Geometry {
  return backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    pairAttribute(call, "strides"),
    pairAttribute(call, "dilations"),
    paddingAttribute(call),
    roundingAttribute(call),
    true,
  );
}

function axesOf({ padInfo, ...geometry }: Geometry): Axes {
  return [
    FLAT,
    {
      input: geometry.inHeight,
      output: geometry.outHeight,
      window: geometry.filterHeight,
      stride: geometry.strideHeight,
      dilation: geometry.dilationHeight,
      before: padInfo.top,
    },
    {
      input: geometry.inWidth,
      output: geometry.outWidth,
      window: geometry.filterWidth,
      stride: geometry.strideWidth,
      dilation: geometry.dilationWidth,
      before: padInfo.left,
    },
  ];
}

function backpropFilter(call: KernelCall): TensorInfo {
  const backend = wasmBackend(call);
  const x = input(call, "x");
  const dy = input(call, "dy");
  const filterShape = shapeAttribute(call, "filterShape");
  const geometry = geometryOf(call, fourExtents(x.shape, "of x"), filterShape);
  const { inChannels, outChannels } = geometry;
  const multiplier = outChannels / inChannels;
  const output = backend.makeOutput(filterShape, "float32");
  const sums = valuesOf(backend, output);
  const values = valuesOf(backend, x);
  const gradients = valuesOf(backend, dy);
  sums.fill(0);
  forEachMeeting(geometry.batchSize, axesOf(geometry), (from, place, window) => {
    const at = place * outChannels;
    const to = window * outChannels;
    for (let channel = 0; channel < inChannels; channel++) {
      const value = values[from * inChannels + channel] ?? 0;
      for (let i = channel * multiplier; i < (channel + 1) * multiplier; i++) {
        sums[to + i] = (sums[to + i] ?? 0) + value * (gradients[at + i] ?? 0);
      }
    }
  });
  return output;
}

function backpropInput(call: KernelCall): TensorInfo {
  const backend = wasmBackend(call);
  const dy = input(call, "dy");
  const filter = input(call, "filter");
  const inputShape = shapeAttribute(call, "inputShape");
  const geometry = geometryOf(call, inputShape, fourExtents(filter.shape, "of the filter"));
  const { inChannels, outChannels } = geometry;
  const multiplier = outChannels / inChannels;
  const output = backend.makeOutput(inputShape, "float32");
  const sums = valuesOf(backend, output);
  const gradients = valuesOf(backend, dy);
  const weights = valuesOf(backend, filter);
  sums.fill(0);
  forEachMeeting(geometry.batchSize, axesOf(geometry), (image, place, window) => {
    const to = image * inChannels;
    const at = place * outChannels;
    const weight = window * outChannels;
    for (let channel = 0; channel < inChannels; channel++) {
      let sum = 0;
      for (let i = channel * multiplier; i < (channel + 1) * multiplier; i++) {
        sum += (gradients[at + i] ?? 0) * (weights[weight + i] ?? 0);
      }
      sums[to + channel] = (sums[to + channel] ?? 0) + sum;
    }
  });
  return output;
}

/** DepthwiseConv2dNativeBackpropFilter for the WebAssembly backend, which lacks it. */
export const depthwiseFilterGradient: KernelConfig = {
  kernelName: "DepthwiseConv2dNativeBackpropFilter",
  backendName: "wasm",
  kernelFunc: backpropFilter,
};

/** DepthwiseConv2dNativeBackpropInput for the WebAssembly backend, which lacks it. */
export const depthwiseInputGradient: KernelConfig = {
  kernelName: "DepthwiseConv2dNativeBackpropInput",
  backendName: "wasm",
  kernelFunc: backpropInput,
};
