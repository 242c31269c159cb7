// Loaded only where the WebAssembly backend is. TensorFlow.js 4.22 can compute four gradients on its other backends but
// not on this one, so that convolutions and embeddings could not be trained here.
import "@tensorflow/tfjs-backend-wasm";
import { getKernel, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { conv2dFilterGradient } from "./conv2d-filter.js";
import { conv3dFilterGradient, conv3dInputGradient } from "./conv3d.js";
import { depthwiseFilterGradient, depthwiseInputGradient } from "./depthwise.js";
import { withChannelsFirst, withMargins } from "./forward.js";
import { maxPoolGradient } from "./max-pool.js";
import { maxPool3d, maxPool3dGradient } from "./max-pool-3d.js";
import { segmentSum } from "./segment-sum.js";

/** The backend's missing gradient kernels. */
const GRADIENTS = [conv2dFilterGradient, segmentSum, depthwiseFilterGradient, depthwiseInputGradient] as const;

/** The backend's own (4.22) give wrong results: see at each. */
const CORRECTED = [maxPoolGradient, maxPool3d, maxPool3dGradient, conv3dFilterGradient, conv3dInputGradient] as const;

let isDone = false;

/** Adds them to TensorFlow.js, once. A function, and not the module's own doing: bundlers leave out what nobody calls. */
export function registerWasmKernels(): void {
  if (isDone) return;
  isDone = true;
  for (const gradient of GRADIENTS) {
    // A later version of the backend may bring its own, which will be faster.
    if (getKernel(gradient.kernelName, "wasm") == null) registerKernel(gradient);
  }

  for (const kernel of CORRECTED) {
    if (getKernel(kernel.kernelName, "wasm") != null) unregisterKernel(kernel.kernelName, "wasm");
    registerKernel(kernel);
  }

  for (const name of ["Conv2D", "FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2D"]) {
    const kernel = getKernel(name, "wasm");
    if (kernel == null) continue;
    unregisterKernel(name, "wasm");
    registerKernel(name === "Conv2D" ? withChannelsFirst(withMargins(kernel)) : withMargins(kernel));
  }
}
