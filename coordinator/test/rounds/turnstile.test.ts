import { setImmediate as nextTurn } from "node:timers/promises";
import t from "tap";
import { Turnstile } from "../../src/rounds/turnstile.js";

t.test("heavy work that arrives at once is done in order, a few milliseconds of it in a turn", async (t) => {
  let nowMs = 0;
  const turnstile = new Turnstile(() => nowMs);
  const done: number[] = [];
  const all = Array.from({ length: 20 }, (_, piece) =>
    turnstile.pass(() => {
      nowMs += 3;
      done.push(piece);
      return piece;
    }),
  );
  let before = 0;
  let turns = 0;
  while (done.length < all.length) {
    await nextTurn();
    t.ok(done.length - before <= 6, "three pieces of 3 ms, and as many where this test's turn comes after two of them");
    before = done.length;
    turns += 1;
  }
  t.ok(turns >= 4, `${turns} turns`);
  t.same(await Promise.all(all), [...done.keys()]);
  t.same(done, [...done.keys()]);
});

t.test("work that fails says so and holds nobody up", async (t) => {
  const turnstile = new Turnstile();
  const failed = turnstile.pass(() => {
    throw new RangeError("too long");
  });
  const next = turnstile.pass(() => "done");
  await t.rejects(failed, RangeError);
  t.equal(await next, "done");
});
