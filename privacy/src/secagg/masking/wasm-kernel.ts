import { SecAggError } from "../errors.js";
import { KERNEL_WASM } from "./kernel-wasm.js";

/** The masking kernel (kernel/kernel.as) with a memory of its own. */
export interface WasmKernel {
  readonly memory: WebAssembly.Memory;
  readonly addStream: KernelFunction;
  readonly addWords: KernelFunction;
  readonly finish: KernelFunction;
  readonly pack: KernelFunction;
}

type KernelFunction = (...operands: number[]) => number;

const PAGE_BYTES = 65_536;
/** What idle kernels may hold together, on each thread: a sum of two million coordinates, or many small ones. */
const MOST_IDLE_BYTES = 8 * 1024 * 1024;

let compiled: WebAssembly.Module | undefined;
const idle: WasmKernel[] = [];

/**
 * A kernel whose memory has room for `bytes`, all of them zero: one that was given back, else a new one.
 *
 * An engine reserves 10 GiB of addresses for each memory, and takes it back only when it collects the whole heap. A thread that
 * makes small sums hardly ever does: without this some sixty megabytes of finished sums would lie about in each.
 *
 * @throws SecAggError CRYPTO_UNAVAILABLE where WebAssembly SIMD is missing or a content policy forbids it
 */
export function takeKernel(bytes: number): WasmKernel {
  const fits = idle.filter(({ memory }) => memory.buffer.byteLength >= bytes);
  const smallest = fits.sort((a, b) => a.memory.buffer.byteLength - b.memory.buffer.byteLength)[0];
  if (smallest === undefined) return instantiate(Math.ceil(bytes / PAGE_BYTES));
  idle.splice(idle.indexOf(smallest), 1);
  return smallest;
}

/** Takes back a kernel that its sum has erased and no longer uses. */
export function giveBackKernel(kernel: WasmKernel): void {
  if (kernel.memory.buffer.byteLength > MOST_IDLE_BYTES) return;
  idle.push(kernel);
  // The oldest go first: their sizes are asked for no more.
  while (idle.reduce((sum, { memory }) => sum + memory.buffer.byteLength, 0) > MOST_IDLE_BYTES) idle.shift();
}

function instantiate(pages: number): WasmKernel {
  try {
    compiled ??= new WebAssembly.Module(Uint8Array.from(atob(KERNEL_WASM), (character) => character.charCodeAt(0)));
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    return {
      memory,
      addStream: kernelFunction(exports.addStream),
      addWords: kernelFunction(exports.addWords),
      finish: kernelFunction(exports.finish),
      pack: kernelFunction(exports.pack),
    };
  } catch (cause) {
    throw new SecAggError("CRYPTO_UNAVAILABLE", "WebAssembly SIMD cannot be used here; use plainAccumulator.", {
      cause,
    });
  }
}

function kernelFunction(exported: WebAssembly.ExportValue | undefined): KernelFunction {
  if (typeof exported !== "function") throw new TypeError("The masking kernel lacks a function; rebuild it.");
  return (...operands) => Number(exported(...operands));
}
