import t from "tap";
import { statementRows } from "../../src/store/statement-rows.js";

t.test("rows keep their order and go in groups of few sizes, of 256 at most", async (t) => {
  const sizes = new Set<number>();
  for (let count = 0; count < 1_200; count++) {
    const rows = Array.from({ length: count }, (_, index) => index);
    const groups = [...statementRows(rows)];
    t.equal(groups.flat().join(), rows.join());
    for (const { length } of groups) sizes.add(length);
  }
  t.same(
    [...sizes].sort((a, b) => a - b),
    [1, 2, 4, 8, 16, 32, 64, 128, 256],
  );
});
