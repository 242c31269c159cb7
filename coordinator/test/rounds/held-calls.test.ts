import { setImmediate as nextTurn } from "node:timers/promises";
import t from "tap";
import { HeldCalls } from "../../src/rounds/held-calls.js";

const never = new AbortController().signal;

t.test("held calls go on with the next release, or when their time is over, and not twice", async (t) => {
  const held = new HeldCalls();
  const released = held.wait(60_000, never);
  t.equal(held.size, 1);
  held.release();
  await released;
  t.equal(held.size, 0);
  await held.wait(1, never);
  t.equal(held.size, 0);
  await held.wait(0, never);
  t.equal(held.size, 0, "who does not want to wait does not");
});

t.test("a call whose caller or server goes away is not held any longer", async (t) => {
  const held = new HeldCalls();
  const going = new AbortController();
  const call = held.wait(60_000, going.signal);
  going.abort(new Error("the server drains"));
  await t.rejects(call, { message: "the server drains" });
  await t.rejects(async () => held.wait(60_000, going.signal), { message: "the server drains" });
  t.equal(held.size, 0);
});

t.test("a crowd is let go a few in a turn, so that others get a turn in between", async (t) => {
  const held = new HeldCalls();
  let gone = 0;
  const crowd = Array.from({ length: 1_000 }, async () => {
    await held.wait(60_000, never);
    gone += 1;
  });
  held.release();
  const between: number[] = [];
  while (gone < crowd.length) {
    await nextTurn();
    between.push(gone);
  }
  await Promise.all(crowd);
  t.ok(between.length > 10, `${between.length} turns`);
  let before = 0;
  for (const now of between) {
    t.ok(now - before <= 64, "at most two slices between two turns of this test");
    before = now;
  }
});

t.test("a signal that thousands of calls share is listened to once", async (t) => {
  const held = new HeldCalls();
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...told: Parameters<typeof addEventListener>) => {
    listeners += 1;
    addEventListener.apply(signal, told);
  };
  signal.removeEventListener = (...told: Parameters<typeof removeEventListener>) => {
    listeners -= 1;
    removeEventListener.apply(signal, told);
  };
  const crowd = Array.from({ length: 100 }, () => held.wait(60_000, signal));
  t.equal(listeners, 1);
  held.release();
  await Promise.all(crowd);
  t.equal(listeners, 0);
});
