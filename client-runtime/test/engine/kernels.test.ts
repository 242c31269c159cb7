// Every kernel of the engine: WebAssembly SIMD beside its reference in plain JavaScript, on random shapes and places.
import fc from "fast-check";
import t, { type Test } from "tap";
import type { ActivationKind, Kernels, LeftOperand } from "../../src/engine/kernels/kernels.js";
import { packedLength } from "../../src/engine/kernels/kernels.js";
import { plainKernels } from "../../src/engine/kernels/plain.js";
import { FIRST_FREE, wasmKernels } from "../../src/engine/kernels/wasm.js";

const SEED = 23;
const RUNS = 60;
const LENGTH = 60_000;

/** Both heaps with the same numbers in −1 … 1. */
function pair(seed: number, scale = 1): readonly [Kernels, Kernels] {
  const kernels = [wasmKernels(LENGTH), plainKernels(FIRST_FREE + LENGTH)] as const;
  let state = seed | 0;
  for (let i = FIRST_FREE; i < FIRST_FREE + LENGTH; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    for (const { heap } of kernels) heap[i] = (scale * state) / 2 ** 31;
  }
  return kernels;
}

/** The largest difference of the two heaps, relative where numbers are large: whatever a kernel wrote, anywhere. */
function gap([wasm, plain]: readonly [Kernels, Kernels]): number {
  let most = 0;
  for (let i = FIRST_FREE; i < FIRST_FREE + LENGTH; i++) {
    const a = wasm.heap[i] ?? 0;
    const b = plain.heap[i] ?? 0;
    if (!Object.is(a, b)) most = Math.max(most, Math.abs(a - b) / (1 + Math.abs(b)));
  }
  return most;
}

function agree(
  t: Test,
  work: (kernels: Kernels, at: (index: number) => number, size: Sizes) => void,
  options: { readonly tolerance?: number; readonly scale?: number } = {},
): void {
  const sizes = fc.record({
    rows: fc.integer({ min: 1, max: 11 }),
    outer: fc.integer({ min: 1, max: 3 }),
    columns: fc.integer({ min: 1, max: 21 }),
    depth: fc.integer({ min: 1, max: 30 }),
    kind: fc.constantFrom<ActivationKind>(0, 1, 2, 3, 4, 5, 6),
    flag: fc.boolean(),
    seed: fc.integer({ min: 1, max: 1_000_000 }),
  });
  const property = fc.property(sizes, (size) => {
    const kernels = pair(size.seed, options.scale);
    // Eight places that do not overlap, not all of them at a multiple of four.
    for (const each of kernels) work(each, (index) => FIRST_FREE + 7000 * index + (size.seed % 4), size);
    return gap(kernels) < (options.tolerance ?? 1e-5);
  });
  t.doesNotThrow(() => fc.assert(property, { seed: SEED, numRuns: RUNS }));
  t.end();
}

interface Sizes {
  readonly rows: number;
  readonly outer: number;
  readonly columns: number;
  readonly depth: number;
  readonly kind: ActivationKind;
  readonly flag: boolean;
  readonly seed: number;
}

/** A in rows, or turned over, or of windows that overlap. */
function leftOperand(at: number, { rows, outer, depth, flag, seed }: Sizes): LeftOperand {
  if (seed % 3 === 0) return { at, rows, rowsOuter: outer, row: 2, rowOuter: 2 * rows, step: 1, outer: depth + 2 };
  if (flag) return { at, rows, rowsOuter: 1, row: 1, rowOuter: 0, step: rows, outer: depth * rows };
  return { at, rows, rowsOuter: 1, row: depth * outer, rowOuter: 0, step: 1, outer: depth };
}

t.test("multiply", (t) =>
  agree(t, (kernels, at, size) => {
    const { columns, depth, outer, flag, seed } = size;
    const extent = { depth, outerDepth: outer, columns };
    const right =
      seed % 2 === 0
        ? { at: at(1), step: columns, outer: depth * columns, column: 1 }
        : { at: at(1), step: 1, outer: depth, column: depth * outer };
    kernels.multiply(extent, leftOperand(at(0), size), right, at(2), columns + (seed % 5), flag);
  }),
);

t.test("multiply over depths that take several panels", (t) => {
  for (const [depth, outerDepth] of [
    [1100, 1],
    [300, 4],
    [7, 200],
  ] as const) {
    const kernels = pair(depth);
    for (const each of kernels) {
      const left = { at: FIRST_FREE, rows: 3, rowsOuter: 1, row: 17, rowOuter: 0, step: 1, outer: 5 };
      const right = { at: FIRST_FREE + 10_000, step: 9, outer: 9 * depth, column: 1 };
      each.multiply({ depth, outerDepth, columns: 9 }, left, right, FIRST_FREE + 50_000, 9, true);
    }
    t.ok(gap(kernels) < 1e-4, `${gap(kernels)} at ${depth} × ${outerDepth}`);
  }
  t.end();
});

t.test("pack, and multiply with what it packed", (t) =>
  agree(t, (kernels, at, size) => {
    const { columns, depth, outer, flag, seed } = size;
    const extent = { depth, outerDepth: outer, columns };
    const right =
      seed % 2 === 0
        ? { at: at(1), step: columns, outer: depth * columns, column: 1 }
        : { at: at(1), step: 1, outer: depth, column: depth * outer };
    kernels.pack(extent, right, at(3));
    kernels.multiplyPacked(extent, leftOperand(at(0), size), at(3), at(2), columns, flag);
    if (packedLength(extent) > 7000) throw new RangeError("the places of this test are too small");
  }),
);

const pointwise: Readonly<Record<string, (kernels: Kernels, at: (index: number) => number, size: Sizes) => void>> = {
  activate: (kernels, at, { kind, depth }) => kernels.activate(kind, at(0), depth),
  activateGradient: (kernels, at, { kind, depth }) => kernels.activateGradient(kind, at(0), at(1), depth),
  softmax: (kernels, at, { rows, columns }) => kernels.softmax(at(0), rows, columns),
  softmaxGradient: (kernels, at, { rows, columns }) => kernels.softmaxGradient(at(0), at(1), rows, columns),
  addScaled: (kernels, at, { depth }) => kernels.addScaled(at(0), at(1), depth, 0.37),
  fillRows: (kernels, at, { rows, columns }) => kernels.fillRows(at(0), at(1), rows, columns),
  sumRows: (kernels, at, { rows, columns }) => kernels.sumRows(at(0), at(1), rows, columns),
  momentumStep: (kernels, at, { depth }) => kernels.momentumStep(at(0), at(1), at(2), depth, 0.1, 0.9),
  adamStep(kernels, at, { depth }) {
    for (let i = 0; i < depth; i++) kernels.heap[at(3) + i] = Math.abs(kernels.heap[at(3) + i] ?? 0);
    const factors = { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, first: 0.19, second: 0.002 };
    kernels.adamStep(at(0), at(1), at(2), at(3), depth, factors);
  },
  gatherRows(kernels, at, { rows, columns, seed }) {
    for (let i = 0; i < rows; i++) kernels.heap[at(2) + i] = (seed + 3 * i) % 13;
    kernels.gatherRows(at(0), at(1), at(2), rows, columns);
  },
  scatterRows(kernels, at, { rows, columns, seed }) {
    for (let i = 0; i < rows; i++) kernels.heap[at(2) + i] = (seed + 3 * i) % 5;
    kernels.scatterRows(at(0), at(1), at(2), rows, columns, -0.2);
  },
  lstmStep: (kernels, at, size) => kernels.lstmStep(recurrent(at, size), at(4)),
  lstmStepGradient: (kernels, at, size) => kernels.lstmStepGradient(recurrent(at, size), at(4), at(5)),
  maxPool: (kernels, at, size) => kernels.maxPool(pooling(size), size.outer, at(0), at(1), at(2)),
  maxPoolGradient(kernels, at, size) {
    kernels.maxPool(pooling(size), size.outer, at(0), at(1), at(2));
    kernels.maxPoolGradient(pooling(size), size.outer, at(3), at(4), at(2));
  },
  addWindows(kernels, at, { rows, outer, columns }) {
    const windows = {
      outRows: outer,
      outColumns: rows,
      windowRows: 2,
      run: columns,
      rowStep: 97,
      columnStep: 3,
      imageRow: 41,
    };
    kernels.addWindows(windows, at(0), at(1));
  },
};

function recurrent(at: (index: number) => number, { rows, columns, kind, outer, flag }: Sizes) {
  return {
    kind: kind === 0 || kind === 5 ? (3 as const) : kind,
    gateKind: outer === 1 ? (2 as const) : (4 as const),
    rows,
    units: columns,
    gates: at(0),
    gateRow: 4 * columns + 8,
    cell: at(1),
    before: at(2),
    stateRow: columns + 3,
    first: flag,
  };
}

function pooling({ rows, columns, outer, depth, flag }: Sizes) {
  const channels = (depth % 9) + 1;
  const [poolRows, poolColumns] = [Math.min(outer + 1, rows), Math.min(2, columns)];
  const margin = flag && rows > 1 ? 1 : 0;
  return {
    rows,
    columns,
    channels,
    poolRows,
    poolColumns,
    rowStride: outer,
    columnStride: 2,
    top: margin > 0 && poolRows > 1 ? 1 : 0,
    left: 0,
    outRows: Math.floor((rows - poolRows) / outer) + 1,
    outColumns: Math.floor((columns - poolColumns) / 2) + 1,
  };
}

for (const [name, work] of Object.entries(pointwise)) t.test(name, (t) => agree(t, work));

t.test("activations of large numbers", (t) =>
  agree(t, (kernels, at, { kind, depth }) => kernels.activate(kind, at(0), depth), { scale: 40, tolerance: 2e-5 }),
);

t.test("tanh keeps its relative precision near 0", async (t) => {
  const kernels = wasmKernels(LENGTH);
  for (let i = 0; i < 100; i++) kernels.heap[FIRST_FREE + i] = 10 ** (-i / 10);
  kernels.activate(3, FIRST_FREE, 100);
  for (let i = 0; i < 100; i++) {
    const exact = Math.tanh(Math.fround(10 ** (-i / 10)));
    const relative = Math.abs((kernels.heap[FIRST_FREE + i] ?? 0) - exact) / exact;
    if (relative > 5e-7) t.fail(`relative error ${relative} at 10^${-i / 10}`);
  }
  t.pass();
});
