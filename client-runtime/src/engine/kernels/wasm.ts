import { ClientError } from "../../errors.js";
import { KERNEL_WASM } from "./kernel-wasm.js";
import type { Kernels } from "./kernels.js";

const PAGE_BYTES = 65_536;
/** Where `multiply` packs a panel: in front of the heap proper. 512 rows of 8 columns, as source/multiply.as has it. */
const SCRATCH_FLOATS = 4096;

type KernelFunction = (...operands: (number | boolean)[]) => void;

function isKernelFunction(exported: unknown): exported is KernelFunction {
  return typeof exported === "function";
}

let compiled: WebAssembly.Module | undefined;

/** Whether WebAssembly with SIMD runs here; a content policy may forbid it. */
export function wasmKernelsWork(): boolean {
  try {
    moduleOfKernels();
    return true;
  } catch {
    return false;
  }
}

function moduleOfKernels(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(KERNEL_WASM), (character) => character.charCodeAt(0)));
  return compiled;
}

function instantiate(floats: number): { memory: WebAssembly.Memory; exports: WebAssembly.Exports } {
  try {
    const pages = Math.ceil((floats * 4) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    return { memory, exports: new WebAssembly.Instance(moduleOfKernels(), { env: { memory } }).exports };
  } catch (cause) {
    throw new ClientError("BACKEND", `WebAssembly SIMD with ${floats * 4} bytes of memory cannot be used here`, {
      cause,
    });
  }
}

/**
 * The kernels in WebAssembly SIMD (source/*.as).
 *
 * @param length of the heap, floats
 * @throws ClientError BACKEND where WebAssembly SIMD is missing, a content policy forbids it, or memory is short
 */
export function wasmKernels(length: number): Kernels {
  const { memory, exports } = instantiate(SCRATCH_FLOATS + length + 4);
  const call = (name: string): KernelFunction => {
    const exported = exports[name];
    if (isKernelFunction(exported)) return exported;
    throw new TypeError("The engine's kernels lack a function; rebuild them.");
  };
  const multiply = call("multiply");
  const pack = call("pack");
  const lstmStep = call("lstmStep");
  const lstmStepGradient = call("lstmStepGradient");
  const maxPool = call("maxPool");
  const maxPoolGradient = call("maxPoolGradient");
  const adamStep = call("adamStep");
  const addWindows = call("addWindows");
  return {
    heap: new Float32Array(memory.buffer),
    // biome-ignore format: one operand after the other, as the kernel has them
    multiply: ({ columns, depth, outerDepth }, { rows, rowsOuter, row, rowOuter, at, step, outer }, right, c, cRow, accumulate) =>
      multiply(
        rows, rowsOuter, row, rowOuter, columns, depth, outerDepth, at, step, outer,
        right.at, right.step, right.outer, right.column, c, cRow, accumulate, 0,
      ),
    pack: ({ columns, depth, outerDepth }, { at, step, outer, column }, to) =>
      pack(to, columns, depth, outerDepth, at, step, outer, column),
    // biome-ignore format: one operand after the other, as the kernel has them
    multiplyPacked: ({ columns, depth, outerDepth }, { rows, rowsOuter, row, rowOuter, at, step, outer }, packed, c, cRow, accumulate) =>
      multiply(
        rows, rowsOuter, row, rowOuter, columns, depth, outerDepth, at, step, outer,
        packed, 0, 0, 0, c, cRow, accumulate, 0,
      ),
    activate: call("activate"),
    activateGradient: call("activateGradient"),
    softmax: call("softmax"),
    softmaxGradient: call("softmaxGradient"),
    addScaled: call("addScaled"),
    fillRows: call("fillRows"),
    sumRows: call("sumRows"),
    momentumStep: call("momentumStep"),
    adamStep: (p, g, m, v, count, { rate, beta1, beta2, epsilon, first, second }) =>
      adamStep(p, g, m, v, count, rate, beta1, beta2, epsilon, first, second),
    gatherRows: call("gatherRows"),
    scatterRows: call("scatterRows"),
    lstmStep: ({ kind, gateKind, rows, units, gates, gateRow, cell, before, stateRow, first }, hidden) =>
      lstmStep(kind, gateKind, rows, units, gates, gateRow, cell, before, hidden, stateRow, first),
    lstmStepGradient: (step, dHidden, dCell) => {
      const { kind, gateKind, rows, units, gates, gateRow, cell, before, stateRow, first } = step;
      lstmStepGradient(kind, gateKind, rows, units, gates, gateRow, cell, before, stateRow, dHidden, dCell, first);
    },
    addWindows: ({ outRows, outColumns, windowRows, run, rowStep, columnStep, imageRow }, from, image) =>
      addWindows(outRows, outColumns, windowRows, run, rowStep, columnStep, imageRow, from, image),
    // biome-ignore format: one operand after the other, as the kernel has them
    maxPool: (p, images, x, y, places) =>
      maxPool(
        images, p.rows, p.columns, p.channels, p.outRows, p.outColumns, p.poolRows, p.poolColumns,
        p.rowStride, p.columnStride, p.top, p.left, x, y, places,
      ),
    maxPoolGradient: ({ rows, columns, channels, outRows, outColumns }, images, dx, dy, places) =>
      maxPoolGradient(images, rows * columns * channels, outRows * outColumns * channels, dx, dy, places),
  };
}

/** Offsets from which a heap is free to be used: what lies before belongs to the kernels. */
export const FIRST_FREE: number = SCRATCH_FLOATS;
