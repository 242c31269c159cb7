// What a kernel of the WebAssembly backend is called with, checked once.
import { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import { type backend_util, getKernel, type NamedAttrMap, type TensorInfo } from "@tensorflow/tfjs-core";
import { ClientError } from "../../../errors.js";

/** What TensorFlow.js calls a kernel with. */
export interface KernelCall {
  readonly inputs: { readonly [name: string]: TensorInfo | undefined };
  readonly backend: object;
  readonly attrs?: NamedAttrMap | undefined;
}

function unexpected(expected: string): ClientError {
  return new ClientError("BACKEND", `expected ${expected} in a call of a gradient kernel; TensorFlow.js has changed`);
}

/** @throws ClientError BACKEND when it is another backend */
export function wasmBackend({ backend }: KernelCall): BackendWasm {
  if (backend instanceof BackendWasm) return backend;
  throw unexpected("the WebAssembly backend");
}

/** @throws ClientError BACKEND when there is no such input */
export function input({ inputs }: KernelCall, name: string): TensorInfo {
  const tensor = inputs[name];
  if (tensor !== undefined) return tensor;
  throw unexpected(`the input ${name}`);
}

/** @throws ClientError BACKEND when there is no such number */
export function numberAttribute({ attrs }: KernelCall, name: string): number {
  const value = attrs?.[name];
  if (typeof value === "number") return value;
  throw unexpected(`the number ${name}`);
}

/** A shape of four extents. @throws ClientError BACKEND when it is none */
export function shapeAttribute({ attrs }: KernelCall, name: string): [number, number, number, number] {
  return fourExtents(attrs?.[name], name);
}

/** @throws ClientError BACKEND when there are not four */
export function fourExtents(shape: unknown, name: string): [number, number, number, number] {
  if (Array.isArray(shape) && shape.length === 4) {
    const [a, b, c, d]: unknown[] = shape;
    if (typeof a === "number" && typeof b === "number" && typeof c === "number" && typeof d === "number") {
      return [a, b, c, d];
    }
  }
  throw unexpected(`the shape ${name}`);
}

/** A shape of five extents. @throws ClientError BACKEND when it is none */
export function fiveAttribute({ attrs }: KernelCall, name: string): [number, number, number, number, number] {
  return fiveExtents(attrs?.[name], name);
}

/** @throws ClientError BACKEND when there are not five */
export function fiveExtents(shape: unknown, name: string): [number, number, number, number, number] {
  if (Array.isArray(shape) && shape.length === 5) {
    const [last]: unknown[] = shape.slice(4);
    if (typeof last === "number") return [...fourExtents(shape.slice(0, 4), name), last];
  }
  throw unexpected(`the shape ${name}`);
}

/** One number for all three directions, or one each. @throws ClientError BACKEND */
export function tripleAttribute({ attrs }: KernelCall, name: string): [number, number, number] {
  const value = attrs?.[name] ?? 1;
  if (typeof value === "number") return [value, value, value];
  if (Array.isArray(value)) {
    const [depth, rows, columns]: unknown[] = value;
    if (typeof depth === "number" && typeof rows === "number" && typeof columns === "number") {
      return [depth, rows, columns];
    }
  }
  throw unexpected(`one or three numbers ${name}`);
}

/** @throws ClientError BACKEND when it is none that volumes have */
export function namedPaddingAttribute({ attrs }: KernelCall): "valid" | "same" {
  const pad: unknown = attrs?.pad;
  if (pad === "valid" || pad === "same") return pad;
  throw unexpected("the padding valid or same");
}

/** One number for both directions, or one each. @throws ClientError BACKEND */
export function pairAttribute({ attrs }: KernelCall, name: string): [number, number] {
  const value = attrs?.[name] ?? 1;
  if (typeof value === "number") return [value, value];
  if (Array.isArray(value)) {
    const [rows, columns]: unknown[] = value;
    if (typeof rows === "number" && typeof columns === "number") return [rows, columns];
  }
  throw unexpected(`one or two numbers ${name}`);
}

type Padding = Parameters<typeof backend_util.computeConv2DInfo>[4];

/** @throws ClientError BACKEND when it is none that a convolution has */
export function paddingAttribute({ attrs }: KernelCall): Padding {
  const pad: unknown = attrs?.pad;
  if (pad === "valid" || pad === "same" || typeof pad === "number") return pad;
  if (Array.isArray(pad) && pad.length === 4) {
    const [batch, rows, columns, channels]: unknown[] = pad;
    return [pads(batch), pads(rows), pads(columns), pads(channels)];
  }
  throw unexpected("a padding");
}

function pads(value: unknown): [number, number] {
  if (Array.isArray(value)) {
    const [before, after]: unknown[] = value;
    if (typeof before === "number" && typeof after === "number") return [before, after];
  }
  throw unexpected("a padding");
}

/** @throws ClientError BACKEND when it is no rounding mode */
export function roundingAttribute({ attrs }: KernelCall): "floor" | "round" | "ceil" | undefined {
  const mode: unknown = attrs?.dimRoundingMode ?? undefined;
  if (mode === undefined || mode === "floor" || mode === "round" || mode === "ceil") return mode;
  throw unexpected("a rounding mode");
}

/** Runs one of the backend's own kernels outside the gradient tape; the caller disposes of what it returns. */
export function runWasm(
  backend: BackendWasm,
  kernelName: string,
  inputs: { [name: string]: TensorInfo },
  attrs: NamedAttrMap,
): TensorInfo {
  const kernel = getKernel(kernelName, "wasm");
  if (kernel === undefined || kernel === null) throw unexpected(`the kernel ${kernelName}`);
  const result = kernel.kernelFunc({ inputs, attrs, backend });
  if (!Array.isArray(result)) return result;
  throw unexpected(`one output of ${kernelName}`);
}

/** The numbers of a tensor where they lie. Outdated by the next allocation: allocate the output first. */
export function valuesOf(backend: BackendWasm, tensor: TensorInfo): Float32Array | Int32Array {
  const values = backend.typedArrayFromHeap(tensor);
  if (values instanceof Float32Array || values instanceof Int32Array) return values;
  throw unexpected("numbers of 32 bits");
}

/** Frees intermediate results. */
export function dispose(backend: BackendWasm, ...tensors: readonly TensorInfo[]): void {
  for (const { dataId } of tensors) backend.disposeData(dataId);
}
