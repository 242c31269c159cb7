import { memoryStore } from "@fedloop/client-runtime";
import t from "tap";
import {
  afterDelivery,
  caps,
  coolDown,
  criticalCap,
  Delivery,
  type DeliveryLimit,
  type DeliveryState,
  decide,
  freshDelivery,
  inboxSurface,
  learnedCadence,
  type MessageClass,
  quietHours,
  type Verdict,
} from "../../src/index.js";
import { ManualClock, START_MS } from "../manual-clock.js";
import { type SimulatedLimits, simulate } from "./simulation.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

function shownAt(...hours: readonly number[]): DeliveryState {
  return hours.reduce(
    (state, hour) =>
      afterDelivery(state, { type: "shown", class: "normal", atMs: START_MS + hour * HOUR_MS, localHour: 0 }),
    freshDelivery,
  );
}

function verdict(
  state: DeliveryState,
  limits: readonly DeliveryLimit[],
  hour: number,
  messageClass: MessageClass = "normal",
): Verdict {
  return decide(messageClass, state, limits, { nowMs: START_MS + hour * HOUR_MS, utcOffsetMinutes: 0 });
}

t.test("caps hold in every session, every 24 hours and every 7 days", async (t) => {
  const limits = [caps({ perSession: 1, perDay: 2, perWeek: 3 })];
  t.same(verdict(shownAt(0), limits, 1), { type: "show" });
  t.same(verdict(shownAt(0, 1), limits, 2), { type: "wait", untilMs: START_MS + DAY_MS, limit: "caps" });
  t.same(verdict(shownAt(0, 1), limits, 24), { type: "show" });
  t.same(verdict(shownAt(0, 1, 30), limits, 60), { type: "wait", untilMs: START_MS + 7 * DAY_MS, limit: "caps" });
  const active = afterDelivery(freshDelivery, { type: "activity", atMs: START_MS });
  const once = afterDelivery(active, { type: "shown", class: "normal", atMs: START_MS, localHour: 0 });
  t.match(verdict(once, limits, 0.25), { type: "wait", untilMs: START_MS + 30 * MINUTE_MS + 1 });
  t.same(verdict(once, limits, 0.6), { type: "show" }, "the session is over");
  t.same(verdict(freshDelivery, [caps({ perSession: 1, perDay: 0, perWeek: 9 })], 0), {
    type: "suppress",
    limit: "caps",
  });
});

t.test("quiet hours are the person's own, over midnight and over a change of the clocks", async (t) => {
  const limits = [quietHours("22:00", "07:00")];
  const at = (hour: number, utcOffsetMinutes: number): Verdict =>
    decide("normal", freshDelivery, limits, { nowMs: Date.UTC(2026, 10, 12, hour, 30), utcOffsetMinutes });
  t.same(at(20, 0), { type: "show" });
  t.match(at(23, 0), { type: "wait", untilMs: Date.UTC(2026, 10, 13, 7) });
  t.match(at(3, 0), { type: "wait", untilMs: Date.UTC(2026, 10, 12, 7) });
  t.match(at(21, 60), { type: "wait", untilMs: Date.UTC(2026, 10, 13, 6) });
  t.same(at(3, 9 * 60), { type: "show" }, "noon in Tokyo");
  const daytime = [quietHours("12:00", "13:00")];
  t.match(decide("normal", freshDelivery, daytime, { nowMs: Date.UTC(2026, 0, 1, 12, 59), utcOffsetMinutes: 0 }), {
    untilMs: Date.UTC(2026, 0, 1, 13),
  });
  for (const [from, to] of [
    ["24:00", "07:00"],
    ["7:00", "08:00"],
    ["08:00", "08:00"],
  ] as const) {
    t.throws(() => quietHours(from, to), { code: "BAD_OPTION" });
  }
});

t.test("the cadence slows down with each dismissal, and comes back with an opened message", async (t) => {
  const limits = [learnedCadence({ minutes: 60 })];
  let state = shownAt(0);
  t.match(verdict(state, limits, 0.5), { untilMs: START_MS + HOUR_MS });
  for (let i = 0; i < 3; i++) state = afterDelivery(state, { type: "dismissed" });
  t.match(verdict(state, limits, 1), { untilMs: START_MS + 8 * HOUR_MS });
  state = afterDelivery(state, { type: "opened", localHour: 9 });
  t.same(verdict(state, limits, 1), { type: "show" });
});

t.test("the cadence learns the hours in which messages are opened", async (t) => {
  let state = freshDelivery;
  for (let day = 0; day < 12; day++) {
    for (const localHour of [9, 18]) {
      const atMs = START_MS - (30 - day) * DAY_MS;
      state = afterDelivery(state, { type: "shown", class: "normal", atMs, localHour });
      if (localHour === 18) state = afterDelivery(state, { type: "opened", localHour });
    }
  }
  const limits = [learnedCadence({ minutes: 60 })];
  t.match(
    verdict(state, limits, 0),
    { type: "wait", untilMs: START_MS + HOUR_MS },
    "nine o'clock was never good; ten is not known",
  );
  t.same(verdict(state, limits, 9), { type: "show" }, "six in the evening");
});

t.test("critical messages pass all limits but their own, and never an opt-out", async (t) => {
  const limits = [
    quietHours("00:00", "23:59"),
    coolDown(60),
    caps({ perSession: 0, perDay: 0, perWeek: 0 }),
    criticalCap(2),
  ];
  t.match(verdict(freshDelivery, limits, 0), { type: "suppress" });
  t.same(verdict(freshDelivery, limits, 0, "critical"), { type: "show" });
  let state = freshDelivery;
  for (const hour of [0, 1]) {
    state = afterDelivery(state, { type: "shown", class: "critical", atMs: START_MS + hour * HOUR_MS, localHour: 0 });
  }
  t.match(verdict(state, limits, 2, "critical"), { type: "wait", untilMs: START_MS + DAY_MS, limit: "critical-cap" });
  const out = afterDelivery(freshDelivery, { type: "opted-out" });
  for (const each of ["normal", "digest", "critical"] as const) {
    t.same(verdict(out, [], 0, each), { type: "suppress", limit: "opt-out" });
  }
});

t.test("a limit of another's making holds beside the others", async (t) => {
  const examWeek: DeliveryLimit = {
    name: "exam-week",
    heldUntilMs: (_class, _state, { nowMs }) => (nowMs < START_MS + DAY_MS ? START_MS + DAY_MS : undefined),
  };
  t.match(verdict(freshDelivery, [coolDown(1), examWeek], 0), { type: "wait", limit: "exam-week" });
  t.same(verdict(freshDelivery, [coolDown(1), examWeek], 24), { type: "show" });
});

function opened(clock: ManualClock, limits: readonly DeliveryLimit[], store = memoryStore()): Promise<Delivery> {
  return Delivery.open({ store, limits, clock, utcOffsetMinutes: () => 0 });
}

t.test(
  "what has to wait is shown together when its time has come, and given up when it has waited too long",
  async (t) => {
    const clock = new ManualClock();
    const delivery = await opened(clock, [coolDown(60)]);
    t.same(delivery.offer({ id: "a", class: "normal" }), { type: "show" });
    for (const id of ["b", "c", "b"]) {
      t.match(delivery.offer({ id, class: "normal" }), { type: "wait", untilMs: START_MS + HOUR_MS });
    }
    t.same(delivery.waiting, ["c", "b"]);
    t.same(delivery.due(), []);
    t.equal(delivery.nextDueMs(), START_MS + HOUR_MS);
    clock.advance(HOUR_MS);
    t.same(delivery.due(), ["c", "b"]);
    t.same(delivery.due(), []);
    delivery.offer({ id: "d", class: "normal" });
    clock.advance(DAY_MS);
    t.same(delivery.due(), [], "too late for d");
    t.same(delivery.waiting, []);
  },
);

t.test("digest messages come together, or alone after half of the longest wait", async (t) => {
  const clock = new ManualClock();
  const delivery = await opened(clock, []);
  for (const id of ["a", "b"]) t.match(delivery.offer({ id, class: "digest" }), { type: "wait", limit: "digest" });
  t.same(delivery.due(), []);
  delivery.offer({ id: "c", class: "digest" });
  t.same(delivery.due(), ["a", "b", "c"]);
  t.equal(delivery.state.shownMs.length, 1, "they count as one");
  delivery.offer({ id: "d", class: "digest" });
  t.equal(delivery.nextDueMs(), START_MS + 12 * HOUR_MS);
  clock.advance(12 * HOUR_MS);
  t.same(delivery.due(), ["d"]);
});

t.test("the state outlives the app; an opt-out is final", async (t) => {
  const clock = new ManualClock();
  const store = memoryStore();
  const first = await opened(clock, [coolDown(60)], store);
  first.activity();
  first.offer({ id: "a", class: "normal" });
  first.offer({ id: "b", class: "normal" });
  first.opened();
  first.dismissed();
  await first.flush();
  const second = await opened(clock, [coolDown(60)], store);
  t.same(second.state, first.state);
  t.same(second.waiting, ["b"]);
  await second.optOut();
  const third = await opened(clock, [], store);
  third.activity();
  third.opened();
  for (const each of ["normal", "digest", "critical"] as const) {
    t.match(third.offer({ id: "c", class: each }), { type: "suppress", limit: "opt-out" });
  }
  clock.advance(365 * DAY_MS);
  t.same(third.due(), []);
  t.same(third.waiting, []);
  await third.flush();
  await store.put("delivery/state", new TextEncoder().encode("{"));
  await t.rejects(opened(clock, [], store), { code: "LOG_CORRUPT" });
});

t.test("an inbox shows messages until they are answered", async (t) => {
  const seen: number[] = [];
  let answer = (): void => {};
  const surface = inboxSurface((messages) => {
    seen.push(messages.length);
    answer = () => messages[0]?.answer("opened");
  });
  const response = surface.show({ class: "normal", title: "a", body: "b", language: "en" });
  answer();
  t.equal(await response, "opened");
  t.same(seen, [1, 0]);
});

t.test("options that make no sense are refused", async (t) => {
  t.throws(() => caps({ perSession: -1, perDay: 1, perWeek: 1 }), { code: "BAD_OPTION" });
  t.throws(() => coolDown(0), { code: "BAD_OPTION" });
  t.throws(() => learnedCadence({ minutes: 1.5 }), { code: "BAD_OPTION" });
});

t.test("20 000 simulated decisions break no limit, and a limit that is left out is noticed", async (t) => {
  const result = simulate("fast", 20_000);
  t.same(result.violations, []);
  t.ok(result.shown > 500 && result.critical > 50 && result.optedOut > 3, JSON.stringify(result));
  for (const without of ["caps", "cool-down", "quiet-hours", "critical-cap"] satisfies (keyof SimulatedLimits)[]) {
    t.ok(simulate("fast", 20_000, without).violations.length > 0, `without ${without}`);
  }
});
