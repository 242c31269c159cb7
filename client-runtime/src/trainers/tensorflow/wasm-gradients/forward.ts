// What the WebAssembly backend (4.22) gets wrong on the way forward, so that its gradients would be those of something else.
import { backend_util, type KernelConfig, type NamedAttrMap, type TensorInfo } from "@tensorflow/tfjs-core";
import {
  dispose,
  fourExtents,
  input,
  type KernelCall,
  pairAttribute,
  roundingAttribute,
  runWasm,
  wasmBackend,
} from "./operands.js";

/**
 * Margins in numbers instead of the word "same": where a stride is longer than its window and the input needs no margin, the
 * backend lays one all the same.
 */
function marginsInNumbers(call: KernelCall, depthwise: boolean): NamedAttrMap {
  const attrs = { ...call.attrs };
  const filter = input(call, "filter").shape;
  const strides = pairAttribute(call, "strides");
  if (attrs.pad !== "same" || strides.every((stride, axis) => stride <= (filter[axis] ?? 1))) return attrs;
  const { padInfo } = backend_util.computeConv2DInfo(
    fourExtents(input(call, "x").shape, "of x"),
    fourExtents(filter, "of the filter"),
    strides,
    pairAttribute(call, "dilations"),
    "same",
    roundingAttribute(call),
    depthwise,
  );
  const pad = [
    [0, 0],
    [padInfo.top, padInfo.bottom],
    [padInfo.left, padInfo.right],
    [0, 0],
  ];
  return { ...attrs, pad };
}

/** One of the backend's convolutions, with right margins. */
export function withMargins(kernel: KernelConfig): KernelConfig {
  const depthwise = kernel.kernelName.includes("Depthwise");
  return {
    ...kernel,
    kernelFunc: (call) => kernel.kernelFunc({ ...call, attrs: marginsInNumbers(call, depthwise) }),
  };
}

/** A convolution that takes images with channels first too, as ConvLSTM2D asks for. */
export function withChannelsFirst(kernel: KernelConfig): KernelConfig {
  return {
    ...kernel,
    kernelFunc(call): TensorInfo | TensorInfo[] {
      if (call.attrs?.dataFormat !== "NCHW") return kernel.kernelFunc(call);
      const backend = wasmBackend(call);
      const x = runWasm(backend, "Transpose", { x: input(call, "x") }, { perm: [0, 2, 3, 1] });
      const attrs = { ...call.attrs, dataFormat: "NHWC" };
      const convolved = kernel.kernelFunc({ ...call, inputs: { ...call.inputs, x }, attrs });
      if (Array.isArray(convolved)) return convolved;
      const output = runWasm(backend, "Transpose", { x: convolved }, { perm: [0, 3, 1, 2] });
      dispose(backend, x, convolved);
      return output;
    },
  };
}
