import t from "tap";
import { wasmAccumulator } from "../../../src/secagg/masking/wasm-accumulator.js";

const COORDINATES = 5_000;
const BITS = 20;

/** Memories that `work` made the engine reserve. */
function memoriesMade(work: () => void): number {
  const { Memory } = WebAssembly;
  let made = 0;
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super(descriptor);
      made++;
    }
  };
  try {
    work();
  } finally {
    WebAssembly.Memory = Memory;
  }
  return made;
}

function sumOf(value: number, length = COORDINATES): Uint32Array {
  const sum = wasmAccumulator(length, BITS);
  sum.addValues(new Int32Array(length).fill(value));
  return sum.finish();
}

t.test("a finished sum's memory serves the next, of whatever size and width fits into it", async (t) => {
  sumOf(1);
  const made = memoriesMade(() => {
    for (let value = 0; value < 100; value++) {
      const length = COORDINATES - (value % 7) * 100;
      t.ok(sumOf(value, length).every((residue) => residue === value));
      const narrow = wasmAccumulator(length, 3);
      narrow.addValues(new Int32Array(length).fill(value));
      t.ok(narrow.finish().every((residue) => residue === value % 8));
    }
  });
  t.equal(made, 0);
});

t.test(
  "sums that are open at the same time share nothing, and a sum that is closed twice gives its memory back once",
  async (t) => {
    const closed = wasmAccumulator(COORDINATES, BITS);
    closed.close();
    closed.close();
    const first = wasmAccumulator(COORDINATES, BITS);
    const second = wasmAccumulator(COORDINATES, BITS);
    first.addValues(new Int32Array(COORDINATES).fill(3));
    second.addValues(new Int32Array(COORDINATES).fill(5));
    closed.close();
    t.ok(first.finish().every((residue) => residue === 3));
    t.ok(second.finish().every((residue) => residue === 5));
  },
);

t.test("idle memories are bounded", async (t) => {
  const lengths = [200_000, 400_000, 800_000, 1_600_000];
  const all = (): void => {
    const open = lengths.map((length) => wasmAccumulator(length, BITS));
    for (const sum of open) sum.close();
  };
  all();
  t.ok(memoriesMade(all) > 0, "12 MB of sums were finished, not all is kept");
  const large = (): void => wasmAccumulator(4_000_000, BITS).close();
  large();
  t.equal(memoriesMade(large), 1, "one of 16 MB is not kept at all");
});
