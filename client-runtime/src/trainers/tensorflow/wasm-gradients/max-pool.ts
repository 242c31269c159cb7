import { backend_util, type KernelConfig, type TensorInfo } from "@tensorflow/tfjs-core";
import {
  fourExtents,
  input,
  type KernelCall,
  paddingAttribute,
  pairAttribute,
  roundingAttribute,
  valuesOf,
  wasmBackend,
} from "./operands.js";

/** The gradient of each window goes to its largest value, the first one where several are as large. */
function maxPoolGrad(call: KernelCall): TensorInfo {
  const backend = wasmBackend(call);
  const x = input(call, "input");
  const dy = input(call, "dy");
  const windows = backend_util.computePool2DInfo(
    fourExtents(x.shape, "of input"),
    pairAttribute(call, "filterSize"),
    pairAttribute(call, "strides"),
    1,
    paddingAttribute(call),
    roundingAttribute(call),
  );
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, padInfo } = windows;
  const output = backend.makeOutput(x.shape, "float32");
  const sums = valuesOf(backend, output);
  const values = valuesOf(backend, x);
  const gradients = valuesOf(backend, dy);
  sums.fill(0);
  let at = 0;
  for (let image = 0; image < batchSize; image++) {
    for (let outRow = 0; outRow < outHeight; outRow++) {
      const firstRow = outRow * windows.strideHeight - padInfo.top;
      for (let outColumn = 0; outColumn < outWidth; outColumn++) {
        const firstColumn = outColumn * windows.strideWidth - padInfo.left;
        for (let channel = 0; channel < inChannels; channel++) {
          let most = Number.NEGATIVE_INFINITY;
          let place = -1;
          for (let row = Math.max(firstRow, 0); row < Math.min(firstRow + windows.filterHeight, inHeight); row++) {
            const end = Math.min(firstColumn + windows.filterWidth, inWidth);
            for (let column = Math.max(firstColumn, 0); column < end; column++) {
              const candidate = ((image * inHeight + row) * inWidth + column) * inChannels + channel;
              const value = values[candidate] ?? 0;
              if (value > most) {
                most = value;
                place = candidate;
              }
            }
          }
          if (place >= 0) sums[place] = (sums[place] ?? 0) + (gradients[at] ?? 0);
          at += 1;
        }
      }
    }
  }
  return output;
}

/** MaxPoolGrad for the WebAssembly backend, whose own takes every window's largest value to be above 0. */
export const maxPoolGradient: KernelConfig = {
  kernelName: "MaxPoolGrad",
  backendName: "wasm",
  kernelFunc: maxPoolGrad,
};
