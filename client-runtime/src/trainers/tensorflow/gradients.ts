// Gradients that TensorFlow.js 4.22 has at no backend.
import * as tf from "@tensorflow/tfjs-core";

/** A convolution's transpose is linear in both operands, and its gradients are convolutions again. */
const conv3dTranspose: tf.GradConfig = {
  kernelName: "Conv3DBackpropInputV2",
  inputsToSave: ["dy", "filter"],
  gradFunc(above, saved, attrs) {
    const [dy, filter] = saved;
    if (Array.isArray(above) || dy === undefined || filter === undefined) throw new TypeError("expected one gradient");
    const run = (kernel: string, inputs: tf.NamedTensorMap, more: tf.NamedAttrMap): tf.Tensor =>
      tf.engine().runKernel(kernel, inputs, { ...attrs, ...more });
    return {
      dy: () => run("Conv3D", { x: above, filter }, { dataFormat: "NDHWC", dilations: [1, 1, 1] }),
      filter: () => run("Conv3DBackpropFilterV2", { x: above, dy }, { filterShape: filter.shape }),
    };
  },
};

/** Which of two numbers is larger does not change with small changes: what ThresholdedReLU multiplies by is a constant. */
const greater: tf.GradConfig = {
  kernelName: "Greater",
  inputsToSave: ["a", "b"],
  gradFunc: (_, [a, b]) => ({
    a: () => tf.zerosLike(a ?? 0),
    b: () => tf.zerosLike(b ?? 0),
  }),
};

/** Adds them to TensorFlow.js where they are missing. */
export function registerGradients(): void {
  for (const gradient of [conv3dTranspose, greater]) {
    if (tf.getGradient(gradient.kernelName) == null) tf.registerGradient(gradient);
  }
}
