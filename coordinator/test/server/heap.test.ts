import t from "tap";
import { heapGrowthPercent } from "../../src/server/heap.js";

const MIB = 1024 * 1024;

t.test(
  "a small heap may grow to four times itself, a larger one to 192 MiB, a very large one by a third",
  async (t) => {
    t.same(
      [0, 30, 48, 64, 128, 256, 640, 4_096].map((mib) => heapGrowthPercent(mib * MIB)),
      [300, 300, 300, 200, 50, 33, 33, 33],
    );
  },
);
