import { createHash } from "node:crypto";
import { memoryStore } from "@fedloop/client-runtime";
import { generateWebCryptoSigner, type JsonValue, webCryptoVerifier } from "@fedloop/consent";
import t from "tap";
import {
  Capture,
  type CapturedEvent,
  defineEvents,
  frequency,
  meanOf,
  purposeGate,
  SettableConsent,
  seededNumbers,
  sessions,
  signBundle,
} from "../../src/index.js";
import {
  condition,
  type Firing,
  type Logic,
  logisticPropensity,
  openRules,
  type PropensityModel,
  parseRules,
  type Rule,
  ruleTrigger,
  scoreTrigger,
  stumpPropensity,
  type Trigger,
  TriggerEngine,
  TriggerRunner,
} from "../../src/triggers/index.js";
import { ManualClock, START_MS } from "../manual-clock.js";

const PURPOSE = "messages";
const MINUTE_MS = 60_000;

function rule(on: Rule["on"], more: Partial<Rule> = {}): Rule {
  return { id: on.type, purpose: PURPOSE, on, ...more };
}

/** Events as "type@minute", and the moments at which a rule fires, in minutes. */
function fired(
  trigger: Trigger,
  events: string,
  untilMinute: number,
  models: readonly PropensityModel[] = [],
): number[] {
  const engine = new TriggerEngine({ triggers: [trigger], features: [frequency(1)], models });
  const firings: Firing[] = [];
  for (const [sequence, text] of events.split(" ").entries()) {
    const [type = "", minute = ""] = text.split("@");
    const atMs = START_MS + Number(minute) * MINUTE_MS;
    firings.push(...engine.event(PURPOSE, { sequence, atMs, type, fields: { minute: Number(minute) } }));
  }
  firings.push(...engine.advance(START_MS + untilMinute * MINUTE_MS));
  return firings.map(({ atMs }) => (atMs - START_MS) / MINUTE_MS);
}

t.test("each pattern fires when its sentence says so", async (t) => {
  const sequence = rule({ type: "sequence", events: ["a", "b", "a"], withinMinutes: 10 });
  const inactivity = rule({ type: "inactivity", minutes: 30 });
  const ofType = rule({ type: "inactivity", event: "a", minutes: 30 });
  const abandonment = rule({ type: "abandonment", started: "a", completed: "b", minutes: 20 });
  const milestone = rule({ type: "milestone", event: "a", count: 3 });
  const repeated = rule({ type: "milestone", event: "a", count: 2, repeats: true });
  const table: readonly [string, Rule, string, number[]][] = [
    ["a sequence, with others in between", sequence, "a@0 x@1 b@2 x@3 a@10", [10]],
    ["a sequence that takes too long", sequence, "a@0 b@5 a@11", []],
    ["a sequence begun anew by the event that came too late", sequence, "a@0 b@5 a@11 b@12 a@13", [13]],
    ["a sequence in another order", sequence, "b@0 a@1 a@2", []],
    ["a sequence twice", sequence, "a@0 b@1 a@2 a@3 b@4 a@5", [2, 5]],
    ["inactivity once for each pause", inactivity, "a@0 a@10 b@100", [40, 130]],
    ["inactivity that an event ends in time", inactivity, "a@0 a@29 a@58", [88]],
    ["inactivity of a type, others do not count", ofType, "a@0 b@10 b@20 b@40", [30]],
    ["abandonment", abandonment, "a@0 x@5", [20]],
    ["abandonment, completed in time", abandonment, "a@0 b@19 x@30", []],
    ["abandonment, completed at the last moment: the time was over first", abandonment, "a@0 b@20", [20]],
    ["abandonment, started again", abandonment, "a@0 a@15", [35]],
    ["a milestone, once", milestone, "a@0 b@1 a@2 a@3 a@4 a@5 a@6", [3]],
    ["a milestone that repeats", repeated, "a@0 a@1 a@2 a@3", [1, 3]],
  ];
  for (const [name, each, events, due] of table) t.same(fired(ruleTrigger(each), events, 1_000), due, name);
});

t.test("a rule fires only where its condition holds and its model says so", async (t) => {
  const on: Rule["on"] = { type: "milestone", event: "a", count: 1, repeats: true };
  const late = ruleTrigger(rule(on, { when: { ">": [{ var: "event.minute" }, 5] } }));
  t.same(fired(late, "a@1 a@6 a@7", 10), [6, 7]);
  const busy = ruleTrigger(rule(on, { when: { ">=": [{ var: ["features.frequency:any:1d"] }, 2] } }));
  t.same(fired(busy, "a@1 a@6", 10), [6]);
  const model = logisticPropensity("come-back", { "frequency:any:1d": 1 }, -2);
  const likely = ruleTrigger(rule(on, { propensity: { model: "come-back", atLeastPerMille: 500 } }));
  t.same(fired(likely, "a@1 a@2 a@3", 10, [model]), [2, 3], "σ(−1) < ½ ≤ σ(0)");
  t.throws(() => fired(likely, "a@1", 10), { code: "BAD_RULE", message: /no model "come-back"/ });
});

t.test("a score fires when it rises, and again only after it fell", async (t) => {
  const above = 0.7;
  const stumps = [{ feature: "frequency:any:1d", threshold: 2, below: -1, above: 1 }];
  const rising = scoreTrigger({ id: "s", purpose: PURPOSE, model: "m", above, rearmBelow: 0.4 });
  const day = 24 * 60;
  const events = `a@0 a@1 a@2 a@${day + 10} a@${day + 11}`;
  t.same(fired(rising, events, 2 * day, [stumpPropensity("m", stumps, 0)]), [1, day + 11]);
});

t.test("a trigger of another's making runs beside the rules", async (t) => {
  const everyOther: Trigger = {
    id: "every-other",
    purpose: PURPOSE,
    start: { odd: 0 },
    next: (state, signal) => ({
      state: { odd: signal.type === "event" ? 1 - (state.odd ?? 0) : (state.odd ?? 0) },
      fires: signal.type === "event" && state.odd === 1,
    }),
  };
  t.same(fired(everyOther, "a@0 a@1 a@2 a@3", 10), [1, 3]);
  const restless: Trigger = {
    ...everyOther,
    id: "restless",
    next: (state, signal) => ({
      state,
      fires: false,
      dueMs: signal.type === "event" ? signal.event.atMs : signal.atMs,
    }),
  };
  t.same(fired(restless, "a@0 a@1", 10), [], "one that asks for the same time again does not hold time up");
});

t.test("rules that are malformed or reach too far are refused", async (t) => {
  const good = rule({ type: "milestone", event: "a", count: 1 });
  const table: readonly [string, unknown][] = [
    ["no list", good],
    ["another pattern", [{ ...good, on: { type: "location", near: "home" } }]],
    ["no purpose", [{ id: "a", on: good.on }]],
    ["a fraction of a minute", [rule({ type: "inactivity", minutes: 0.5 })]],
    ["a year and a day", [rule({ type: "inactivity", minutes: 527_040 })]],
    ["a sequence of one", [rule({ type: "sequence", events: ["a"], withinMinutes: 1 })]],
    ["an unknown key", [{ ...good, upload: true }]],
    ["an impossible score", [{ ...good, propensity: { model: "m", atLeastPerMille: 1_001 } }]],
  ];
  for (const [name, json] of table) t.throws(() => parseRules(json), { code: "BAD_RULE" }, name);
  let deep: Logic = true;
  for (let i = 0; i < 20; i++) deep = { "!": [deep] };
  const conditions: readonly [string, Logic][] = [
    ["a loop", { map: [{ var: "x" }, 1] }],
    ["reduce", { reduce: [{ var: "x" }, 1, 0] }],
    ["throw", { throw: "x" }],
    ["log", { log: "x" }],
    ["an unknown operator", { fetch: ["//example.org"] }],
    ["a method of objects", { constructor: [] }],
    ["two operators", { "==": [1, 1], "!": [true] }],
    ["none", {}],
    ["what objects inherit", { "!!": [{ var: "event.constructor.name" }] }],
    ["the prototype", { "!!": [{ var: "__proto__.polluted" }] }],
    ["a path that is worked out", { var: [{ "+": ["const", "ructor"] }] }],
    ["everything", { var: "" }],
    ["too deep", deep],
    ["too many parts", { and: Array.from({ length: 600 }, () => true) }],
  ];
  for (const [name, logic] of conditions) t.throws(() => condition(logic), { code: "BAD_RULE" }, name);
  const engine = { triggers: [ruleTrigger(good), ruleTrigger(good)] };
  t.throws(() => new TriggerEngine(engine), { code: "BAD_RULE", message: /two triggers/ });
});

t.test("a condition over what is not there is false", async (t) => {
  for (const logic of [
    { ">": [{ var: "event.none" }, 3] },
    { "+": [{ var: "event.text" }, { var: "none" }] },
  ] satisfies Logic[]) {
    t.equal(condition(logic)({ event: { text: "x" } }), false, JSON.stringify(logic));
  }
  t.equal(condition({ in: ["b", ["a", "b"]] })({}), true);
  t.equal(
    condition({ "==": [{ var: "features.mean:answer\\.given:correct" }, 1] })({
      features: { "mean:answer.given:correct": 1 },
    }),
    true,
    "a dot in a name",
  );
});

t.test("rules come signed, and a bundle of another kind or key is refused", async (t) => {
  const signer = await generateWebCryptoSigner();
  const trust = { keys: [signer.publicKey], verifier: webCryptoVerifier() };
  const rules: JsonValue = [{ id: "third", purpose: PURPOSE, on: { type: "milestone", event: "a", count: 3 } }];
  const { triggers, version } = await openRules(await signBundle("rules", 4, rules, signer), trust);
  t.equal(version, 4);
  t.same(
    triggers.map(({ id }) => id),
    ["third"],
  );
  await t.rejects(openRules(await signBundle("templates", 4, rules, signer), trust), { code: "BAD_BUNDLE" });
  const other = await generateWebCryptoSigner();
  await t.rejects(openRules(await signBundle("rules", 4, rules, other), trust), { code: "BUNDLE_NOT_TRUSTED" });
  await t.rejects(openRules(await signBundle("rules", 4, [{}], signer), trust), { code: "BAD_RULE" });
});

const RULES: readonly Rule[] = [
  rule({ type: "sequence", events: ["lesson", "answer", "answer", "finish"], withinMinutes: 15 }),
  rule({ type: "inactivity", minutes: 2 * 24 * 60 }, { propensity: { model: "returns", atLeastPerMille: 300 } }),
  rule({ type: "abandonment", started: "lesson", completed: "finish", minutes: 25 }),
  rule(
    { type: "milestone", event: "answer", count: 10, repeats: true },
    {
      when: { ">": [{ var: "features.mean:answer:correct" }, 0.6] },
    },
  ),
];

function traceEngine(): TriggerEngine {
  return new TriggerEngine({
    triggers: [
      ...RULES.map(ruleTrigger),
      scoreTrigger({ id: "struggles", purpose: PURPOSE, model: "struggles", above: 0.6, rearmBelow: 0.5 }),
    ],
    features: [frequency(7), meanOf("answer", "correct"), sessions()],
    models: [
      logisticPropensity("returns", { "frequency:any:7d": 0.05, "sessions:count": 0.02 }, -1),
      logisticPropensity("struggles", { "mean:answer:correct": -8 }, 4.6),
    ],
    historyEvents: 100,
  });
}

/** Sessions of one person: lessons with answers, some given up, with pauses of hours to days. */
function traces(count: number): CapturedEvent[] {
  const random = seededNumbers("a golden trace");
  const events: CapturedEvent[] = [];
  let atMs = START_MS;
  const push = (type: string, fields = {}): void => {
    atMs += 1_000 + random.below(240_000);
    events.push({ sequence: events.length, atMs, type, fields });
  };
  for (let session = 0; session < count; session++) {
    atMs += random.below(4 * 24 * 60) * MINUTE_MS;
    push("lesson");
    for (let answer = random.below(7); answer > 0; answer--) push("answer", { correct: random.uniform() < 0.62 });
    if (random.uniform() < 0.6) push("finish");
  }
  return events;
}

t.test(
  "a golden trace of 1 000 sessions fires identically on replay, however often the clock is looked at",
  async (t) => {
    const events = traces(1_000);
    const endMs = (events.at(-1)?.atMs ?? 0) + 30 * 24 * 60 * MINUTE_MS;
    const live = traceEngine();
    const firings = [...events.flatMap((event) => live.event(PURPOSE, event)), ...live.advance(endMs)];
    for (const id of ["sequence", "inactivity", "abandonment", "milestone", "struggles"]) {
      const count = firings.filter(({ trigger }) => trigger === id).length;
      t.ok(count >= 10, `${id} fired ${count} times`);
    }
    const random = seededNumbers("ticks");
    const replay = traceEngine();
    const again: Firing[] = [];
    let tickMs = START_MS;
    for (const event of events) {
      while (tickMs < event.atMs && random.uniform() < 0.9) {
        tickMs = Math.min(event.atMs, tickMs + random.below(20 * 60) * MINUTE_MS + 1);
        again.push(...replay.advance(tickMs));
      }
      tickMs = event.atMs;
      again.push(...replay.event(PURPOSE, event));
    }
    again.push(...replay.advance(endMs));
    t.same(again, firings);
    const digest = createHash("sha256").update(JSON.stringify(firings)).digest("hex");
    t.equal(digest, "f601e86f68225ece2f941d76e6cff3a88d9780c4a76b11e7f48e37b272e2d5b7", "and as when this was written");
  },
);

t.test("a runner tells what fires live, what fired while the app was closed, and nothing twice", async (t) => {
  const registry = defineEvents({
    purposes: [PURPOSE],
    events: { lesson: { purpose: PURPOSE, retentionDays: 30, fields: {} } },
  });
  const store = memoryStore();
  const clock = new ManualClock();
  const gate = purposeGate(new SettableConsent([PURPOSE]), { globalPrivacyControl: () => false });
  const capture = await Capture.open({ registry, store, gate, clock });
  const told: string[] = [];
  const open = (): Promise<TriggerRunner> =>
    TriggerRunner.open({
      triggers: [
        ruleTrigger(rule({ type: "inactivity", minutes: 60 })),
        ruleTrigger(rule({ type: "milestone", event: "lesson", count: 2 })),
      ],
      capture,
      store,
      clock,
      onFiring: ({ trigger, atMs }) => told.push(`${trigger}@${(atMs - START_MS) / MINUTE_MS}`),
    });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const first = await open();
  capture.record("lesson", {});
  clock.advance(59 * MINUTE_MS);
  await settle();
  t.same(told, []);
  clock.advance(MINUTE_MS);
  await settle();
  t.same(told, ["inactivity@60"]);
  capture.record("lesson", {});
  t.same(told.splice(0), ["inactivity@60", "milestone@60"]);
  await first.close();
  clock.advance(500 * MINUTE_MS);
  const second = await open();
  t.same(told.splice(0), ["inactivity@120"], "when it was due, not when the app opened");
  second.forget(PURPOSE);
  capture.record("lesson", {});
  capture.record("lesson", {});
  t.same(told.splice(0), ["milestone@560"], "counted from the start");
  await second.close();
  await (await open()).close();
  t.same(told, [], "nothing twice");
  await capture.close();
});
