// Loaded only where the WebAssembly backend is. TensorFlow.js 4.22 can compute four gradients on its other backends but
// not on this one, so that convolutions and embeddings could not be trained here.
import "@tensorflow/tfjs-backend-wasm";
import { getKernel, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { conv2dFilterGradient } from "./conv2d-filter.js";
import { depthwiseFilterGradient, depthwiseInputGradient } from "./depthwise.js";
import { maxPoolGradient } from "./max-pool.js";
import { segmentSum } from "./segment-sum.js";

/** The backend's missing gradient kernels. */
const GRADIENTS = [conv2dFilterGradient, segmentSum, depthwiseFilterGradient, depthwiseInputGradient] as const;

for (const gradient of GRADIENTS) {
  // A later version of the backend may bring its own, which will be faster.
  if (getKernel(gradient.kernelName, "wasm") == null) registerKernel(gradient);
}

// The backend's own (4.22) gives wrong gradients where the largest value of a window is not above 0.
unregisterKernel("MaxPoolGrad", "wasm");
registerKernel(maxPoolGradient);
