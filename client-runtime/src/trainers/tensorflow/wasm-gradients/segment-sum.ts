import type { KernelConfig, TensorInfo } from "@tensorflow/tfjs-core";
import { input, type KernelCall, numberAttribute, valuesOf, wasmBackend } from "./operands.js";

/** Sums the rows of `x` whose segment number is the same; rows with a number outside the segments are dropped. */
function unsortedSegmentSum(call: KernelCall): TensorInfo {
  const backend = wasmBackend(call);
  const x = input(call, "x");
  const segmentIds = input(call, "segmentIds");
  const segments = numberAttribute(call, "numSegments");
  const rowShape = x.shape.slice(segmentIds.shape.length);
  const width = rowShape.reduce((product, extent) => product * extent, 1);
  const output = backend.makeOutput([segments, ...rowShape], "float32");
  const sums = valuesOf(backend, output);
  const values = valuesOf(backend, x);
  const rows = valuesOf(backend, segmentIds);
  sums.fill(0);
  for (let row = 0; row < rows.length; row++) {
    const segment = rows[row] ?? -1;
    if (segment < 0 || segment >= segments) continue;
    const from = row * width;
    const to = segment * width;
    for (let i = 0; i < width; i++) sums[to + i] = (sums[to + i] ?? 0) + (values[from + i] ?? 0);
  }
  return output;
}

/** UnsortedSegmentSum, the gradient of embeddings, for the WebAssembly backend, which lacks it. */
export const segmentSum: KernelConfig = {
  kernelName: "UnsortedSegmentSum",
  backendName: "wasm",
  kernelFunc: unsortedSegmentSum,
};
