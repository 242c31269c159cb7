import t from "tap";
import { systemClock } from "../../src/index.js";

t.test("waits end in the order in which they are due", async (t) => {
  const clock = systemClock();
  const ended: number[] = [];
  const waits = [30, 5, 20, 0, 5, 10].map((ms) => {
    const dueMs = performance.now() + ms;
    return clock.wait(ms).then(() => ended.push(dueMs));
  });
  await Promise.all(waits);
  t.same(
    ended,
    [...ended].sort((a, b) => a - b),
  );
});

t.test("an aborted wait ends at once and leaves nothing that keeps a process alive", async (t) => {
  const clock = systemClock();
  const controller = new AbortController();
  const long = clock.wait(3_600_000, controller.signal);
  const short = clock.wait(1);
  controller.abort();
  await t.rejects(long, { code: "ABORTED" });
  await short;
  await t.rejects(clock.wait(10, controller.signal), { code: "ABORTED" });
  // The hour's timer is gone, or this file would not end.
});

t.test("a thousand waits share one timer", async (t) => {
  const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const clock = systemClock();
  const controller = new AbortController();
  const waits = Array.from({ length: 1_000 }, (_, i) => clock.wait(60_000 + i, controller.signal).catch(() => {}));
  const during = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  t.equal(during - before, 1);
  controller.abort();
  await Promise.all(waits);
});

t.test("an earlier wait does not wait for a later one", async (t) => {
  const clock = systemClock();
  const controller = new AbortController();
  const long = clock.wait(3_600_000, controller.signal);
  await clock.wait(1);
  controller.abort();
  await t.rejects(long, { code: "ABORTED" });
});
