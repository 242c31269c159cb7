import { setImmediate as nextTurn } from "node:timers/promises";
import t from "tap";
import { EventHub } from "../../src/rounds/event-hub.js";

t.test("a watcher gets the newest event first, then each newer one, and none twice", async (t) => {
  const hub = new EventHub<number>();
  hub.publish(1);
  hub.publish(2);
  const stop = new AbortController();
  const seen: number[] = [];
  const watching = (async () => {
    for await (const event of hub.watch(stop.signal)) {
      seen.push(event);
      if (event < 4) hub.publish(event + 1);
      else stop.abort();
    }
  })();
  await watching;
  t.same(seen, [2, 3, 4]);
  t.equal(hub.watchers, 0, "a watcher that ended is forgotten");
});

t.test("a slow watcher misses states in between, never the last one", async (t) => {
  const hub = new EventHub<string>();
  const stop = new AbortController();
  const events = hub.watch(stop.signal)[Symbol.asyncIterator]();
  const first = events.next();
  hub.publish("selecting");
  t.equal((await first).value, "selecting");
  hub.publish("configured");
  hub.publish("masked");
  t.equal((await events.next()).value, "masked");
  stop.abort();
  t.equal((await events.next()).done, true);
});

t.test("what was published before the end is told before the end", async (t) => {
  const hub = new EventHub<string>();
  const stop = new AbortController();
  const events = hub.watch(stop.signal)[Symbol.asyncIterator]();
  const first = events.next();
  hub.publish("closed");
  await first;
  const next = events.next();
  hub.publish("finished");
  stop.abort();
  t.equal((await next).value, "finished");
  t.equal((await events.next()).done, true);
});

t.test("a crowd is told a few in a turn of the event loop, and nobody misses what follows at once", async (t) => {
  const hub = new EventHub<string>();
  const stop = new AbortController();
  let heard = 0;
  const crowd = Array.from({ length: 500 }, async () => {
    const seen: string[] = [];
    for await (const event of hub.watch(stop.signal)) {
      heard += 1;
      seen.push(event);
    }
    return seen;
  });
  hub.publish("closed");
  hub.publish("selecting");
  let turns = 0;
  for (let before = -1; heard < 2 * crowd.length; turns++) {
    await nextTurn();
    t.ok(heard > before || turns < 3, "every turn brings the crowd on");
    before = heard;
  }
  t.ok(turns > 10, `${turns} turns`);
  stop.abort();
  for (const seen of await Promise.all(crowd)) t.same(seen, ["closed", "selecting"]);
});
