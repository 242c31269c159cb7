// Scheduling seen from the app: what it is told, and what leaves the device.
import t from "tap";
import { memoryStore, type ParticipationEvent, SettableConditions } from "../../src/index.js";
import { start, take, testTrainer } from "../coordinator/participants.js";

function reasons(events: readonly ParticipationEvent[]): string[] {
  return events.flatMap((event) => (event.type === "waiting" ? [event.reason] : []));
}

t.test("no round begins while the device is needed; it begins when the device is free", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const conditions = new SettableConditions({ inUse: true });
  const participant = await join({ scheduling: { conditions } });
  const events: ParticipationEvent[] = [];
  for await (const event of participant.run()) {
    events.push(event);
    if (event.type !== "waiting") continue;
    if (event.reason === "in-use") {
      t.notOk(coordinator.calls.includes("CheckIn"), "the coordinator has not been asked for work");
      conditions.set({ metered: true });
    }
    if (event.reason === "metered") conditions.set({});
  }
  t.same(reasons(events).slice(0, 2), ["in-use", "metered"]);
  t.ok(events.some(({ type }) => type === "accepted"));
});

t.test("a training stops when the battery runs low, and gives its place back", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const conditions = new SettableConditions();
  const trainer = testTrainer({
    train: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new Error("aborted")));
        conditions.set({ onBattery: true, batteryLevel: 0.2 });
      }),
  });
  const participant = await join({ scheduling: { conditions }, trainer });
  const events = await take(participant.run(), ({ type }) => type === "abandoned");
  t.match(events.at(-1), { type: "abandoned", reason: "HELD" });
  await coordinator.called("Leave");
  t.match(coordinator.left, [{ reason: "HELD" }]);
  t.equal(coordinator.updates.get(1)?.size, 0, "nothing was sent");
  t.equal((await participant.budget()).rounds, 0);
});

t.test("rounds of a day are counted over restarts, and the limit ends with the day", async (t) => {
  const { clock, join } = await start(t, { rounds: [{}, {}] });
  const store = memoryStore();
  const scheduling = { conditions: new SettableConditions(), limits: { roundsPerDay: 1 } };
  const participant = await join({ store, scheduling });
  const first = await take(participant.run(), ({ type }) => type === "released");
  t.notOk(reasons(first).includes("daily-limit"));
  const second: ParticipationEvent[] = [];
  let longestMs = 0;
  for await (const event of participant.run()) {
    second.push(event);
    if (event.type !== "waiting" || event.reason !== "daily-limit") continue;
    await clock.waited(86_000_000);
    longestMs = Math.max(...clock.waits);
    clock.set(clock.now() + longestMs);
  }
  t.ok(reasons(second).includes("daily-limit"), "a new run knows of the round of the former");
  t.ok(longestMs > 86_000_000 && longestMs <= 86_400_000, `it waited ${longestMs} ms`);
  t.ok(
    second.some(({ type }) => type === "released"),
    "and takes part when the day is over",
  );
});
