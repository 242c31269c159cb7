import { setTimeout as wait } from "node:timers/promises";
import t from "tap";
import { LoopDelay } from "../../src/server/loop-delay.js";

/** Keeps the thread running, not waiting, for so long. */
function work(ms: number): void {
  const { user, system } = process.cpuUsage();
  for (;;) {
    const used = process.cpuUsage({ user, system });
    if ((used.user + used.system) / 1_000 >= ms) return;
  }
}

t.test("a call that keeps the loop is told by its length, once", async (t) => {
  using delay = new LoopDelay();
  await wait(20);
  delay.takeLongestMs();
  work(60);
  const longest = delay.takeLongestMs();
  t.ok(longest > 40 && longest < 500, `${longest} ms`);
  t.ok(delay.takeLongestMs() < longest, "what was told is not told again");
  for (let i = 0; i < 30; i++) {
    work(2);
    await wait(1);
  }
  t.ok(delay.takeLongestMs() < 40, "many short calls are none that keeps it");
});
