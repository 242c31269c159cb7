import { create } from "@bufbuild/protobuf";
import { OfferSchema, RoundState } from "@fedloop/proto";
import fc from "fast-check";
import t from "tap";
import { atWork, begun, handedIn, type Run } from "./run.js";

t.test("a round in its usual course: check in, verify, join, work, submit, rest", async (t) => {
  const run = begun();
  t.same(run.types, ["checkIn"]);
  t.same(run.offer(1).types, ["checkIn"], "a verified offer is joined");
  t.same(run.joined(1).types, ["watch"]);
  t.same(run.news(1, RoundState.CONFIGURED).types, ["work"]);
  t.same(run.news(1, RoundState.MASKED).types, [], "the work is under way");
  run.send({ type: "encoded", task: run.state.task, update: new Uint8Array(3) });
  t.same(run.types, ["emit masked", "submit"]);
  t.same(run.send({ type: "submitted", task: run.state.task, accepted: true }).types, ["emit accepted"]);
  t.same(run.news(1, RoundState.AGGREGATED).types, []);
  t.same(run.news(1, RoundState.RELEASED).types, ["settle", "emit released"]);
  t.same(run.news(1, RoundState.CLOSED).types, ["emit waiting", "rest"], "released is told once");
  t.match(run.effects.at(-1), { type: "rest", window: { afterMs: 7, beforeMs: 9 } });
});

t.test("who joins a round that is complete already begins at once", async (t) => {
  t.same(begun().offer(1).joined(1, RoundState.MASKED).types, ["watch", "work"]);
});

t.test("an event that overtakes the answer to the join is not lost", async (t) => {
  t.same(begun().offer(1).news(1, RoundState.MASKED).joined(1).types, ["watch", "work"]);
  t.same(begun().offer(1).news(1, RoundState.ABANDONED).joined(1).types, ["watch", "stop", "emit abandoned", "rest"]);
});

t.test("an event that overtakes the answer to the submission is not lost", async (t) => {
  const run = atWork();
  run.send({ type: "encoded", task: run.state.task, update: new Uint8Array(3) });
  t.same(run.news(1, RoundState.CLOSED).types, []);
  run.send({ type: "submitted", task: run.state.task, accepted: true });
  t.same(run.types, ["emit accepted", "settle", "emit released", "emit waiting", "rest"]);
});

t.test("a round that is abandoned stops the work on it", async (t) => {
  const run = atWork().news(1, RoundState.ABANDONED);
  t.same(run.types, ["stop", "emit abandoned", "rest"]);
  t.match(run.effects[1], { event: { round: 1, reason: "WHY" } });
});

t.test("a round that went on without this device is missed", async (t) => {
  for (const state of [RoundState.AGGREGATED, RoundState.DEBITED, RoundState.CLOSED]) {
    t.match(atWork().news(1, state).effects[1], { event: { type: "abandoned", reason: "MISSED" } });
  }
  t.match(atWork().news(2, RoundState.SELECTING).effects[1], { event: { type: "abandoned", reason: "MISSED" } });
});

t.test("a submitted round that ended unseen is left to the log, without an event", async (t) => {
  t.same(handedIn().news(2, RoundState.SELECTING).types, ["rest"]);
});

t.test("who waits a short while listens, and comes when a round begins to select; each round once", async (t) => {
  const waiting = begun().send({
    type: "checkedIn",
    task: 1,
    outcome: { type: "wait", window: { afterMs: 10, beforeMs: 20_000 }, reason: "no-round" },
  });
  t.same(waiting.types, ["watch", "emit waiting", "rest"]);
  t.same(waiting.news(3, RoundState.SELECTING).types, ["rest"]);
  t.same(waiting.news(3, RoundState.SELECTING).types, []);
});

t.test("a device that is to come to a round makes no call once it hears that the round has gone on", async (t) => {
  const outcome = { type: "wait", window: { afterMs: 10, beforeMs: 20_000 }, reason: "no-round" } as const;
  const coming = (): Run => begun().send({ type: "checkedIn", task: 1, outcome }).news(3, RoundState.SELECTING);
  for (const state of [RoundState.CONFIGURED, RoundState.MASKED, RoundState.RELEASED]) {
    const run = coming();
    const { task } = run.state;
    t.same(run.news(3, state).types, ["emit waiting", "rest"]);
    t.match(run.effects[0], { event: { reason: "cohort-full" } });
    t.same(run.send({ type: "rested", task }).types, [], "the rest before is over");
    t.same(run.news(3, RoundState.CLOSED).types, [], "it is told once");
    t.same(run.news(4, RoundState.SELECTING).types, ["rest"], "and comes to the next round");
  }
  const ended = coming().news(3, RoundState.ABANDONED);
  t.match(ended.effects, [{ event: { reason: "no-round" } }, { type: "rest", window: { afterMs: 7, beforeMs: 9 } }]);
  t.same(coming().news(2, RoundState.MASKED).types, [], "of another round it hears nothing of use");
});

t.test("a device that verifies an offer, and hears that the round has gone on, does not ask for a place", async (t) => {
  const offer = create(OfferSchema, { round: 1n });
  const run = begun().send({ type: "checkedIn", task: 1, outcome: { type: "offer", offer, known: null } });
  t.same(run.types, ["verify"]);
  const { task } = run.state;
  t.same(run.news(1, RoundState.KEYS).types, ["emit waiting", "rest"]);
  const verdict = { ok: false, code: "GUARD_COHORT", message: "m", fork: null, checkpoint: null } as const;
  t.same(run.send({ type: "verified", task, verdict }).types, []);
});

t.test("who is told to wait long sleeps through it", async (t) => {
  const window = { afterMs: 10, beforeMs: 40_000 };
  const outcome = { type: "wait", window, reason: "no-round" } as const;
  t.same(begun().send({ type: "checkedIn", task: 1, outcome }).types, ["emit waiting", "rest"]);
});

t.test("a round that begins while the answer is under way is not missed", async (t) => {
  const run = begun().news(2, RoundState.SELECTING);
  t.same(run.types, []);
  const outcome = { type: "wait", window: { afterMs: 10, beforeMs: 20 }, reason: "no-round" } as const;
  const step = run.send({ type: "checkedIn", task: 1, outcome });
  t.match(step.effects, [{ type: "rest", window: { afterMs: 7, beforeMs: 9 } }]);
});

t.test("events of earlier rounds are not listened to", async (t) => {
  const run = begun().offer(5).joined(5);
  t.same(run.news(4, RoundState.ABANDONED).types, []);
  t.equal(run.state.phase.type, "joined");
});

t.test("an offer that the guard does not accept is left, told and rested from", async (t) => {
  const run = begun().refusedOffer(1, "GUARD_UNSUPPORTED");
  t.same(run.types, ["leave", "emit refused", "rest"]);
  t.match(run.effects[1], { event: { code: "GUARD_UNSUPPORTED" } });
});

t.test("the same refusal of the same round is told once", async (t) => {
  const run = begun().refusedOffer(1, "GUARD_COHORT");
  run.send({ type: "rested", task: run.state.task });
  t.same(run.refusedOffer(1, "GUARD_COHORT").types, ["leave", "rest"]);
});

t.test("a stream that was opened anew asks again for the place in a round that still selects", async (t) => {
  for (const [run, due] of [
    [begun().offer(1).joined(1), ["checkIn"]],
    [atWork(), []],
    [handedIn(), []],
  ] as const) {
    t.same(run.send({ type: "watchOpened" }).types, [], "the first stream says nothing about the place");
    t.same(run.send({ type: "watchBroken" }).types, []);
    t.same(run.send({ type: "watchOpened" }).types, due);
  }
});

const asked = { afterMs: 10_000, beforeMs: 20_000 };
const wait = (reason: "no-round" | "cohort-full" = "no-round") =>
  ({ type: "checkedIn", outcome: { type: "wait", window: asked, reason } }) as const;

t.test("who listens rests longer than it was asked to, and hears of the next round", async (t) => {
  const run = begun().send({ type: "watchOpened" });
  run.send({ ...wait(), task: run.state.task });
  t.same(run.types, ["watch", "emit waiting", "rest"]);
  t.match(run.effects.at(-1), { window: { afterMs: 60_000, beforeMs: 120_000 } });
  t.match(run.effects[1], { event: { reason: "no-round", afterMs: 60_000, beforeMs: 120_000 } }, "as the app is told");
  t.match(run.news(2, RoundState.SELECTING).effects, [{ type: "rest", window: { afterMs: 7, beforeMs: 9 } }]);
  t.same(run.send({ type: "rested", task: run.state.task }).types, ["checkIn"]);
});

t.test("how long a device with nothing to do rests changes with its stream", async (t) => {
  const long = { type: "rest", window: { afterMs: 60_000, beforeMs: 120_000 } } as const;
  for (const [run, asked] of [
    [begun().send({ ...wait(), task: 1 }), { afterMs: 10_000, beforeMs: 20_000 }],
    [handedIn().news(1, RoundState.CLOSED), { afterMs: 7, beforeMs: 9 }],
  ] as const) {
    const first = run.state.task;
    t.match(run.effects.at(-1), { type: "rest", window: asked }, "it does not listen yet");
    t.same(run.send({ type: "watchOpened" }).types, ["emit waiting", "rest"]);
    t.match(run.effects.at(-1), long);
    t.same(run.send({ type: "watchOpened" }).types, [], "once");
    t.same(run.send({ type: "watchBroken" }).types, ["emit waiting", "rest"]);
    t.match(run.effects.at(-1), { type: "rest", window: asked });
    t.same(run.send({ type: "watchBroken" }).types, [], "once");
    t.same(run.send({ type: "rested", task: first }).types, [], "the rest before is over");
    t.match(run.send({ type: "watchOpened" }).effects.at(-1), long);
  }
  const window = { afterMs: 400_000, beforeMs: 410_000 };
  const outcome = { type: "wait", window, reason: "no-round" } as const;
  const later = begun().send({ type: "checkedIn", task: 1, outcome }).send({ type: "watchOpened" });
  t.match(later.effects.at(-1), { type: "rest", window }, "who is asked to come later still comes then");
});

t.test("a round that selects anew after the stream broke is heard again", async (t) => {
  const run = begun().send({ type: "watchOpened" }).news(2, RoundState.SELECTING);
  run.send({ ...wait("cohort-full"), task: run.state.task });
  t.same(run.types, ["rest"], "it comes to the round");
  run.send({ type: "rested", task: run.state.task });
  run.send({ ...wait("cohort-full"), task: run.state.task });
  t.same(run.news(2, RoundState.SELECTING).types, []);
  run.send({ type: "watchBroken" }).send({ type: "watchOpened" });
  t.match(run.news(2, RoundState.SELECTING).effects, [{ type: "rest", window: { afterMs: 7, beforeMs: 9 } }]);
});

t.test("what overtakes the answer to a join that came too late is not lost to who listens", async (t) => {
  const joining = (): Run => begun().send({ type: "watchOpened" }).offer(1);
  const next = joining().news(1, RoundState.ABANDONED).news(2, RoundState.SELECTING);
  next.send({ ...wait("cohort-full"), task: next.state.task });
  t.match(next.effects, [{ type: "rest", window: { afterMs: 7, beforeMs: 9 } }], "the next round");
  t.same(next.news(2, RoundState.SELECTING).types, [], "is heard once");
  const full = joining().news(1, RoundState.SELECTING);
  full.send({ ...wait("cohort-full"), task: full.state.task });
  t.match(full.effects.at(-1), { type: "rest", window: { afterMs: 60_000 } }, "the same round has no place");
  const place = joining().news(2, RoundState.SELECTING).joined(1);
  t.same(place.types, ["watch", "stop", "emit abandoned", "rest"]);
  t.match(place.effects.at(-1), { window: { afterMs: 7, beforeMs: 9 } });
});

t.test("that the rounds are done is not lost when it overtakes an answer", async (t) => {
  for (const run of [begun(), begun().offer(1)]) {
    run.send({ type: "watchOpened" }).news(4, RoundState.CLOSED, true);
    t.same(run.send({ ...wait(), task: run.state.task }).types, ["stop", "finish"]);
  }
});

t.test("a place from before this process began is given back", async (t) => {
  t.same(begun().joined(3).types, ["leave", "rest"]);
});

t.test("withdrawal ends what runs for the purpose, and participation when nothing is left", async (t) => {
  t.same(atWork().send({ type: "withdrawn", purposes: ["p"], remaining: 0 }).types, [
    "stop",
    "leave",
    "emit abandoned",
    "stop",
    "finish",
  ]);
  t.same(atWork().send({ type: "withdrawn", purposes: ["p"], remaining: 1 }).types, [
    "stop",
    "leave",
    "emit abandoned",
    "checkIn",
  ]);
  t.same(atWork().send({ type: "withdrawn", purposes: ["q"], remaining: 1 }).types, []);
  t.same(handedIn().send({ type: "withdrawn", purposes: ["p"], remaining: 0 }).types, ["stop", "finish"]);
});

t.test("the end of the population ends participation, by check-in or by event", async (t) => {
  const run = begun();
  run.send({ type: "checkedIn", task: run.state.task, outcome: { type: "finished" } });
  t.same(run.types, ["stop", "finish"]);
  t.same(handedIn().news(1, RoundState.CLOSED, true).types, ["settle", "emit released", "stop", "finish"]);
  const resting = handedIn().news(1, RoundState.CLOSED);
  t.same(resting.news(1, RoundState.CLOSED, true).types, ["stop", "finish"]);
});

const failures: readonly (readonly [string, Run, readonly string[]])[] = [
  ["no answer to a check-in", begun().fail("unreachable", "UNAVAILABLE"), ["emit waiting", "rest"]],
  ["no answer to a join", begun().offer(1).fail("unreachable", "UNAVAILABLE"), ["emit waiting", "rest"]],
  ["no answer at work", atWork().fail("unreachable", "UNAVAILABLE"), ["stop", "emit abandoned", "rest"]],
  ["an offer that is stale", begun().offer(1).fail("stale", "STALE_OFFER"), ["rest"]],
  ["a budget that is spent", begun().fail("budget", "BUDGET_EXCEEDED"), ["emit waiting", "rest"]],
  ["a consent that came after the plan", begun().fail("ineligible", "NO_CONSENT"), ["emit waiting", "rest"]],
  ["a model that is another", atWork().fail("guard", "GUARD_MODEL"), ["leave", "emit refused", "rest"]],
  ["a trainer's error", atWork().fail("local", "TRAINER_FAILED"), ["stop", "leave", "emit abandoned", "rest"]],
  [
    "an update that the coordinator refuses",
    atWork().fail("remote", "NORM_EXCEEDED"),
    ["stop", "emit abandoned", "rest"],
  ],
  ["a refusal for good", begun().fail("remote", "UNKNOWN_POPULATION"), ["fail"]],
];

for (const [what, run, due] of failures) {
  t.test(`${what}: ${due.join(", ")}`, async (t) => {
    t.same(run.types, due);
  });
}

const message: fc.Arbitrary<(run: Run) => unknown> = fc.oneof(
  fc.constant((run: Run) => run.send({ type: "rested", task: run.state.task })),
  fc.constant((run: Run) => run.send({ type: "rested", task: run.state.task - 1 })),
  fc.integer({ min: 1, max: 3 }).map((round) => (run: Run) => run.offer(round)),
  fc.integer({ min: 1, max: 3 }).map((round) => (run: Run) => run.joined(round)),
  fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 14 })).map(
    ([round, state]) =>
      (run: Run) =>
        run.news(round, state),
  ),
  fc.constant((run: Run) => run.send({ type: "encoded", task: run.state.task, update: new Uint8Array(1) })),
  fc.boolean().map((accepted) => (run: Run) => run.send({ type: "submitted", task: run.state.task, accepted })),
  fc.constant((run: Run) => run.prepared()),
  fc
    .constantFrom("keys" as const, "shares" as const, "masked" as const, "consistency" as const, "unmask" as const)
    .map((step) => (run: Run) => run.secured(step)),
  fc.constant((run: Run) => run.fail("unreachable", "UNAVAILABLE")),
  fc.constant((run: Run) => run.fail("local", "TRAINER_FAILED")),
  fc.constant((run: Run) => run.send({ type: "watchOpened" })),
  fc.constant((run: Run) => run.send({ type: "watchBroken" })),
  fc.constant((run: Run) => run.send({ ...wait(), task: run.state.task })),
  fc.constant((run: Run) => run.send({ type: "withdrawn", purposes: ["p"], remaining: 1 })),
);

t.test("whatever comes: something is always under way, and no round is submitted without work on it", async (t) => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
      const run = begun();
      let worked: number | undefined;
      for (const send of messages) {
        send(run);
        for (const effect of run.effects) {
          if (effect.type === "work") worked = effect.plan.round;
          if (effect.type === "submit" && effect.plan.round !== worked) return false;
        }
        // Joined and submitted wait for round events; every other phase has started the task it waits for.
        const { phase, task } = run.state;
        const starts = run.effects.filter((effect) => "task" in effect);
        if (starts.some((effect) => "task" in effect && effect.task > task)) return false;
        if (phase.type === "finished") return false;
      }
      return true;
    }),
    { seed: 23, numRuns: 500 },
  );
  t.pass();
});

t.test("whatever came before: who is told of a round does not sleep through it", async (t) => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
      const run = begun();
      for (const send of messages) send(run);
      let window = { afterMs: 0, beforeMs: 0 };
      const noted = (): void => {
        for (const effect of run.effects) if (effect.type === "rest") window = effect.window;
      };
      run.news(99, RoundState.SELECTING);
      noted();
      // The answer under way, if one is, was written before the round began.
      const { type } = run.state.phase;
      if (type === "checking" || type === "joining") run.send({ ...wait("cohort-full"), task: run.state.task });
      noted();
      return run.state.phase.type !== "resting" || window.beforeMs <= 20_000;
    }),
    { seed: 29, numRuns: 500 },
  );
  t.pass();
});

t.test("training for a buffer goes on when the round has closed, and its update is kept for the next", async (t) => {
  for (const [round, state] of [
    [1, RoundState.CLOSED],
    [2, RoundState.SELECTING],
  ] as const) {
    const run = atWork({ exponent: "0.5", models: ["m"] }).news(round, state);
    t.same(run.types, [], "the work goes on");
    t.same(run.news(2, RoundState.SELECTING).types, []);
    run.send({ type: "encoded", task: run.state.task, update: new Uint8Array(3) });
    t.same(run.types, ["emit abandoned", "rest"]);
    t.match(run.effects[0], { event: { round: 1, reason: "LATE" } });
    t.match(run.effects[1], { window: { afterMs: 0, beforeMs: 0 } }, "it checks in at once");
  }
});
