import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import { heapFlags, heapGrowthPercent } from "../../src/server/heap.js";

const MIB = 1024 * 1024;

t.test(
  "a small heap may grow to four times itself, a larger one to 192 MiB, a very large one by a third",
  async (t) => {
    t.same(
      [0, 30, 48, 64, 128, 256, 640, 4_096].map((mib) => heapGrowthPercent(mib * MIB)),
      [300, 300, 300, 200, 50, 33, 33, 33],
    );
    t.same(heapFlags(30 * MIB), ["--heap-growing-percent=300", "--no-optimize-for-size"]);
    t.same(heapFlags(128 * MIB), ["--heap-growing-percent=50", "--optimize-for-size"]);
  },
);

t.test("pages that a crowd left half empty are given back", async (t) => {
  const script = fileURLToPath(new URL("./crowded-heap.js", import.meta.url));
  const pages = async (...words: string[]): Promise<number> => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", script, ...words]);
    return Number(stdout);
  };
  const [left, tuned] = await Promise.all([pages(), pages("tuned")]);
  t.ok(left > 1.5, `left alone V8 keeps ${left} times what is in use`);
  t.ok(tuned < 1.35, `tuned ${tuned} times`);
});
