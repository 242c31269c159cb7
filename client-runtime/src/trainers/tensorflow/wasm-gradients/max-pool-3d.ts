import { backend_util, type KernelConfig, type TensorInfo } from "@tensorflow/tfjs-core";
import {
  fiveExtents,
  input,
  type KernelCall,
  namedPaddingAttribute,
  roundingAttribute,
  tripleAttribute,
  valuesOf,
  wasmBackend,
} from "./operands.js";
import { type Axes, forEachMeeting, volumeAxes } from "./windows.js";

interface Pooling {
  readonly axes: Axes;
  readonly images: number;
  readonly channels: number;
  readonly outShape: number[];
}

function poolingOf(call: KernelCall, x: TensorInfo): Pooling {
  const info = backend_util.computePool3DInfo(
    fiveExtents(x.shape, "of the input"),
    tripleAttribute(call, "filterSize"),
    tripleAttribute(call, "strides"),
    1,
    namedPaddingAttribute(call),
    roundingAttribute(call),
  );
  return { images: info.batchSize, channels: info.inChannels, outShape: info.outShape, axes: volumeAxes(info) };
}

function maxPool(call: KernelCall): TensorInfo {
  const backend = wasmBackend(call);
  const x = input(call, "x");
  const { axes, images, channels, outShape } = poolingOf(call, x);
  const output = backend.makeOutput(outShape, "float32");
  const most = valuesOf(backend, output);
  const values = valuesOf(backend, x);
  most.fill(Number.NEGATIVE_INFINITY);
  forEachMeeting(images, axes, (from, to) => {
    for (let channel = 0; channel < channels; channel++) {
      const value = values[from * channels + channel] ?? 0;
      if (value > (most[to * channels + channel] ?? 0)) most[to * channels + channel] = value;
    }
  });
  return output;
}

/** The gradient of each window goes to its largest value, the last one where several are as large, as on cpu. */
function maxPoolGrad(call: KernelCall): TensorInfo {
  const backend = wasmBackend(call);
  const x = input(call, "input");
  const dy = input(call, "dy");
  const { axes, images, channels } = poolingOf(call, x);
  const output = backend.makeOutput(x.shape, "float32");
  const sums = valuesOf(backend, output);
  const values = valuesOf(backend, x);
  const gradients = valuesOf(backend, dy);
  const most = new Float32Array(gradients.length).fill(Number.NEGATIVE_INFINITY);
  const places = new Int32Array(gradients.length);
  forEachMeeting(images, axes, (from, to) => {
    for (let channel = 0; channel < channels; channel++) {
      const value = values[from * channels + channel] ?? 0;
      if (value < (most[to * channels + channel] ?? 0)) continue;
      most[to * channels + channel] = value;
      places[to * channels + channel] = from * channels + channel;
    }
  });
  sums.fill(0);
  for (const [at, place] of places.entries()) sums[place] = (sums[place] ?? 0) + (gradients[at] ?? 0);
  return output;
}

/** MaxPool3D for the WebAssembly backend, whose own takes every window's largest value to be above 0. */
export const maxPool3d: KernelConfig = { kernelName: "MaxPool3D", backendName: "wasm", kernelFunc: maxPool };

/** MaxPool3DGrad for the WebAssembly backend, whose own does so too. */
export const maxPool3dGradient: KernelConfig = {
  kernelName: "MaxPool3DGrad",
  backendName: "wasm",
  kernelFunc: maxPoolGrad,
};
