import { setImmediate as nextTurn } from "node:timers/promises";
import t from "tap";
import { Admission } from "../../src/limits/admission.js";
import { manualClock } from "../ledger/fixture.js";

/** A line whose turns take as long as the test says, and end when it says. */
function heldLine(waitingCalls: number) {
  const clock = manualClock();
  let refused = 0;
  let turnMs = 0;
  let nextTurn = (): void => undefined;
  const admission = new Admission({
    clock,
    waitingCalls,
    // Each look at the clock finds that a turn is over.
    nowMs: () => (turnMs += 100),
    nextTurn: () =>
      new Promise<void>((resolve) => {
        nextTurn = resolve;
      }),
    onRefused: () => {
      refused += 1;
    },
  });
  const begun: string[] = [];
  const enter = (name: string, isUrgent = false): Promise<void> =>
    admission.enter(isUrgent).then(() => {
      begun.push(name);
    });
  const turn = async (): Promise<void> => {
    nextTurn();
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  return { admission, clock, begun, enter, turn, refused: () => refused };
}

t.test("a line that is full takes nobody more, and is never longer than its bound", async (t) => {
  const { admission, begun, enter, turn, refused } = heldLine(3);
  const calls = [enter("first")];
  await Promise.resolve();
  for (const name of ["a", "b", "c"]) calls.push(enter(name));
  t.equal(admission.waiting, 3);
  const late = await Promise.allSettled(Array.from({ length: 1_000 }, () => enter("late")));
  t.ok(late.every(({ status }) => status === "rejected"));
  t.equal(admission.waiting, 3);
  t.equal(refused(), 1_000);
  for (let i = 0; i < 4; i++) await turn();
  await Promise.all(calls);
  t.same(begun, ["first", "a", "b", "c"], "who waits is served in the order of coming");
  await enter("again");
});

t.test("what belongs to rounds under way is not turned away, and does not keep the others out for ever", async (t) => {
  const { begun, enter, turn } = heldLine(2);
  const calls = [enter("first")];
  await Promise.resolve();
  for (const name of ["new 1", "new 2"]) calls.push(enter(name));
  await t.rejects(enter("new 3"), { code: "BUSY" });
  for (let i = 1; i <= 7; i++) calls.push(enter(`urgent ${i}`, true));
  for (let i = 0; i < 10; i++) await turn();
  await Promise.all(calls);
  const urgent = (...numbers: number[]): string[] => numbers.map((i) => `urgent ${i}`);
  t.same(
    begun.slice(1).filter((name) => name.startsWith("urgent")),
    urgent(1, 2, 3, 4, 5, 6, 7),
  );
  t.ok(begun.indexOf("new 1") <= 4 && begun.indexOf("new 2") <= 8, begun.join());
});

t.test("those that are turned away are asked back one after the other, not all at once", async (t) => {
  const { clock, enter } = heldLine(0);
  const asked = async (): Promise<number> => {
    try {
      await enter("late");
    } catch (cause) {
      return (cause as { retryAfterMs: number }).retryAfterMs;
    }
    throw new Error("expected it to be turned away");
  };
  const times: number[] = [];
  for (let i = 0; i < 1_001; i++) times.push(await asked());
  t.equal(times[0], 1_000);
  t.equal(times[200], 2_000);
  t.equal(times[1_000], 6_000);
  clock.ms += 60_000;
  t.equal(await asked(), 1_000, "when the crowd is over, the wait is short again");
});

t.test("many that come at once are begun a few in a turn, so that others are heard meanwhile", async (t) => {
  let spentMs = 0;
  let turns = 0;
  const admission = new Admission({
    clock: manualClock(),
    nowMs: () => spentMs,
    nextTurn: async () => {
      turns += 1;
      await nextTurn();
    },
  });
  const work = async (): Promise<void> => {
    await admission.enter(false);
    spentMs += 1;
  };
  await Promise.all(Array.from({ length: 80 }, work));
  t.ok(turns >= 8 && turns <= 12, `${turns} turns for 80 ms of work`);
  turns = 0;
  for (let i = 0; i < 80; i++) await work();
  t.ok(turns >= 8, "one after the other, too");
});
