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

/** Calls `visit` with the offsets of input, output and filter at which channels meet, for each pair inside the image. */
function forEachMeeting(geometry: Geometry, visit: (input: number, output: number, filter: number) => void): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, padInfo } = geometry;
  const { filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = geometry;
  for (let image = 0; image < batchSize; image++) {
    for (let outRow = 0; outRow < outHeight; outRow++) {
      for (let filterRow = 0; filterRow < filterHeight; filterRow++) {
        const row = outRow * strideHeight + filterRow * dilationHeight - padInfo.top;
        if (row < 0 || row >= inHeight) continue;
        for (let outColumn = 0; outColumn < outWidth; outColumn++) {
          for (let filterColumn = 0; filterColumn < filterWidth; filterColumn++) {
            const column = outColumn * strideWidth + filterColumn * dilationWidth - padInfo.left;
            if (column < 0 || column >= inWidth) continue;
            visit(
              ((image * inHeight + row) * inWidth + column) * inChannels,
              ((image * outHeight + outRow) * outWidth + outColumn) * outChannels,
              (filterRow * filterWidth + filterColumn) * outChannels,
            );
          }
        }
      }
    }
  }
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
  forEachMeeting(geometry, (from, at, to) => {
    for (let channel = 0; channel < inChannels; channel++) {
      const value = values[from + channel] ?? 0;
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
  forEachMeeting(geometry, (to, at, weight) => {
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
