import { backend_util, type KernelConfig, type TensorInfo } from "@tensorflow/tfjs-core";
import {
  dispose,
  input,
  type KernelCall,
  paddingAttribute,
  pairAttribute,
  roundingAttribute,
  runWasm,
  shapeAttribute,
  wasmBackend,
} from "./operands.js";

/**
 * The gradient of a convolution in its filter is a convolution too: of the input, with channels in the place of images,
 * by the output's gradient, with the forward stride as dilation and the forward dilation as stride.
 */
function conv2dBackpropFilter(call: KernelCall): TensorInfo {
  const backend = wasmBackend(call);
  const x = input(call, "x");
  const dy = input(call, "dy");
  const filterShape = shapeAttribute(call, "filterShape");
  const strides = pairAttribute(call, "strides");
  const dilations = pairAttribute(call, "dilations");
  const channelsFirst = call.attrs?.dataFormat === "NCHW";
  const [filterRows, filterColumns, channels, filters] = filterShape;

  // To channels in the first place, and to images in the last.
  const images = runWasm(backend, "Transpose", { x }, { perm: channelsFirst ? [1, 2, 3, 0] : [3, 1, 2, 0] });
  const gradients = runWasm(backend, "Transpose", { x: dy }, { perm: channelsFirst ? [2, 3, 0, 1] : [1, 2, 0, 3] });
  const [, rows = 0, columns = 0, batch = 0] = images.shape;
  const { padInfo } = backend_util.computeConv2DInfo(
    [batch, rows, columns, channels],
    filterShape,
    strides,
    dilations,
    paddingAttribute(call),
    roundingAttribute(call),
    false,
  );
  const pad = [
    [0, 0],
    [padInfo.top, padInfo.bottom],
    [padInfo.left, padInfo.right],
    [0, 0],
  ];
  const whole = runWasm(
    backend,
    "Conv2D",
    { x: images, filter: gradients },
    { strides: dilations, dilations: strides, pad, dataFormat: "NHWC" },
  );
  // Rows that no window of the forward pass reached make it larger than the filter.
  const size = [channels, filterRows, filterColumns, filters];
  const cut = runWasm(backend, "Slice", { x: whole }, { begin: [0, 0, 0, 0], size });
  const result = runWasm(backend, "Transpose", { x: cut }, { perm: [1, 2, 0, 3] });
  dispose(backend, images, gradients, whole, cut);
  return result;
}

/** Conv2DBackpropFilter for the WebAssembly backend, which lacks it. */
export const conv2dFilterGradient: KernelConfig = {
  kernelName: "Conv2DBackpropFilter",
  backendName: "wasm",
  kernelFunc: conv2dBackpropFilter,
};
