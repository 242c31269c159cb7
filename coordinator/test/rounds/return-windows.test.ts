import t from "tap";
import { ReturnWindows } from "../../src/rounds/return-windows.js";
import { manualClock } from "../ledger/fixture.js";

const MINUTE_MS = 60_000;

t.test("of devices with nothing to do, no more are called back in a second than 200", (t) => {
  const clock = manualClock();
  const windows = new ReturnWindows(clock);
  const earliest = Array.from({ length: 10_000 }, () => windows.idle().afterMs);
  t.equal(earliest[0], 10_000);
  const bySecond = new Map<number, number>();
  for (const afterMs of earliest) {
    const second = Math.floor(afterMs / 1_000);
    bySecond.set(second, (bySecond.get(second) ?? 0) + 1);
  }
  t.ok(Math.max(...bySecond.values()) <= 200);
  clock.ms += 5 * MINUTE_MS;
  t.same(windows.idle(), { afterMs: 10_000, beforeMs: 20_000 }, "when the crowd is over, the wait is short again");
  t.end();
});

t.test("nobody is sent away for longer than ten minutes, however many there are", (t) => {
  const windows = new ReturnWindows(manualClock());
  let last = windows.idle();
  for (let device = 0; device < 200_000; device++) last = windows.idle();
  t.same(last, { afterMs: 10 * MINUTE_MS, beforeMs: 10 * MINUTE_MS + 10_000 });
  t.end();
});

t.test("a crowd that is called to a round comes spread out, within the first half of its selection", (t) => {
  const windows = new ReturnWindows(manualClock());
  t.same(windows.arrival(1, 3, MINUTE_MS), { afterMs: 0, beforeMs: 1 });
  t.same(windows.arrival(1, 50, MINUTE_MS), { afterMs: 0, beforeMs: 10 });
  t.same(windows.arrival(1, 5_100, MINUTE_MS), { afterMs: 2_500, beforeMs: 12_520 });
  t.match(windows.arrival(1, 1_000_000, MINUTE_MS), { afterMs: 5_999, beforeMs: 30_000 });
  t.end();
});

t.test("a round calls back those that were sent away, and those windows are free again", (t) => {
  const windows = new ReturnWindows(manualClock());
  for (let device = 0; device < 5_000; device++) windows.idle();
  windows.arrival(1, 5_000, MINUTE_MS);
  t.equal(windows.idle().afterMs, 10_000);
  windows.arrival(1, 5_000, MINUTE_MS);
  t.not(windows.idle().afterMs, 10_000, "one call for each round");
  t.end();
});
