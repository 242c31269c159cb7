import fc from "fast-check";
import t from "tap";
import { FeedbackError, temporalSplit } from "../../src/index.js";

const times = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 });

t.test("no row that trains is as late as one that is kept, wherever the time is cut", async () => {
  const cuts = fc.oneof(
    fc.record({ fromMs: fc.integer({ min: -1, max: 41 }) }),
    fc.record({ latestShare: fc.double({ min: 0.01, max: 0.99, noNaN: true }) }),
  );
  fc.assert(
    fc.property(times, cuts, (timesMs, cut) => {
      const held = temporalSplit(timesMs, cut);
      const latestTrained = Math.max(...timesMs.filter((_, row) => held[row] === 0));
      const firstKept = Math.min(...timesMs.filter((_, row) => held[row] === 1));
      return held.length === timesMs.length && (firstKept > latestTrained || timesMs.length === 0);
    }),
    { seed: 8, numRuns: 500 },
  );
});

t.test("of the latest, the share that was asked for is kept, and more only where moments are one", async (t) => {
  t.same([...temporalSplit([50, 10, 40, 20, 30], { latestShare: 0.4 })], [1, 0, 1, 0, 0]);
  t.same([...temporalSplit([1, 2, 2, 2, 3], { latestShare: 0.4 })], [0, 1, 1, 1, 1]);
  t.same([...temporalSplit([1, 2, 3], { latestShare: 0.2 })], [0, 0, 0], "too few for one");
  t.same([...temporalSplit([], { latestShare: 0.2 })], []);
});

t.test("at a shared moment, the moment itself is kept", async (t) => {
  t.same([...temporalSplit([9, 10, 11], { fromMs: 10 })], [0, 1, 1]);
});

t.test("what is no time, moment or share is refused", async (t) => {
  for (const cut of [{ latestShare: 0 }, { latestShare: 1 }, { latestShare: Number.NaN }, { fromMs: Number.NaN }]) {
    t.throws(() => temporalSplit([1], cut), { code: "BAD_OPTION" });
  }
  t.throws(() => temporalSplit([Number.NaN], { fromMs: 1 }), FeedbackError);
});
