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
