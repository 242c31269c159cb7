import t from "tap";
import { RecentEntries } from "../../src/ledger/recent-entries.js";

const entry = (index: number): Uint8Array => new Uint8Array(100).fill(index);

t.test("what was added or asked for lately is there, what was not is gone", async (t) => {
  const recent = new RecentEntries(1_000);
  for (let index = 0; index < 100; index++) {
    recent.add(index, entry(index));
    t.same(recent.get(0), entry(0), "asked for again and again it stays");
    for (let before = Math.max(0, index - 3); before <= index; before++) t.same(recent.get(before), entry(before));
  }
  const held = Array.from({ length: 100 }, (_, index) => index).filter((index) => recent.get(index) !== undefined);
  t.ok(held.length <= 12, `${held.length} entries of 100 bytes in 1 000`);
  t.equal(recent.get(50), undefined);
});
