import fc from "fast-check";
import t from "tap";
import { CoordinatorError } from "../../src/errors.js";
import { isHeld, type StagedModel, type StageMessage, stepStages } from "../../src/models/stages.js";

function after(...messages: readonly StageMessage[]): readonly StagedModel[] {
  return messages.reduce<readonly StagedModel[]>((models, message) => stepStages(models, message).models, []);
}

const stagesOf = (models: readonly StagedModel[]) => models.map(({ round, stage }) => [round, stage]);
const released = (round: number, promotes = false): StageMessage => ({
  type: "released",
  round,
  promotes,
  nowMs: round,
});
const promote = (round: number, nowMs = 50): StageMessage => ({ type: "promote", round, nowMs });
const rollback = (round: number, nowMs = 60): StageMessage => ({ type: "rollback", round, nowMs });
const canary = (round: number, share = 500): StageMessage => ({ type: "canary", round, share, nowMs: 40 });

t.test("a model goes from candidate over canary to live, and what was live is superseded", (t) => {
  t.strictSame(stagesOf(after(released(1), promote(1), released(2), canary(2))), [
    [1, "live"],
    [2, "canary"],
  ]);
  t.strictSame(stagesOf(after(released(1), promote(1), released(2), canary(2), promote(2))), [
    [1, "superseded"],
    [2, "live"],
  ]);
  t.end();
});

t.test(
  "rolling the live model back brings the one before; rolling a canary back changes nothing for the others",
  (t) => {
    const two = [released(1), promote(1), released(2), promote(2)];
    t.strictSame(stagesOf(after(...two, rollback(2))), [
      [1, "live"],
      [2, "rolled-back"],
    ]);
    t.strictSame(stagesOf(after(...two, released(3), canary(3), rollback(3))), [
      [1, "superseded"],
      [2, "live"],
      [3, "rolled-back"],
    ]);
    t.strictSame(
      stagesOf(after(released(1), promote(1), rollback(1))),
      [[1, "rolled-back"]],
      "and with none before, none",
    );
    t.strictSame(
      stagesOf(after(...two, promote(1, 70), rollback(1, 80))),
      [
        [1, "rolled-back"],
        [2, "live"],
      ],
      "the one before is the one that was live last",
    );
    t.end();
  },
);

t.test("where the plan says so each release goes live, until an operator stands in the way", (t) => {
  t.strictSame(stagesOf(after(released(1, true), released(2, true))), [
    [1, "superseded"],
    [2, "live"],
  ]);
  const held = after(released(1, true), released(2, true), rollback(2), released(3, true));
  t.strictSame(stagesOf(held).at(-1), [3, "candidate"], "what follows a model that was rolled back waits");
  t.equal(isHeld(held), true);
  const freed = stepStages(held, promote(3)).models;
  t.equal(isHeld(freed), false);
  t.strictSame(stagesOf(stepStages(freed, released(4, true)).models).at(-1), [4, "live"]);
  t.end();
});

t.test("what the stages do not allow is refused with what stands in the way", (t) => {
  const cases: readonly [readonly StageMessage[], StageMessage, string][] = [
    [[], promote(1), "NOT_FOUND"],
    [[released(1)], rollback(1), "WRONG_STATE"],
    [[released(1), promote(1)], canary(1), "WRONG_STATE"],
    [[released(1), released(2), canary(1)], canary(2), "WRONG_STATE"],
    [[released(1), promote(1), rollback(1)], promote(1), "WRONG_STATE"],
    [[released(1), canary(1), rollback(1)], canary(1), "WRONG_STATE"],
  ];
  for (const [before, message, code] of cases) {
    t.throws(() => stepStages(after(...before), message), { code });
  }
  t.end();
});

t.test("whatever is asked: one live model and one canary at most, and a model rolled back stays so", (t) => {
  const round = fc.integer({ min: 1, max: 5 });
  const message = fc.oneof(
    fc.record({ type: fc.constant("released" as const), round, promotes: fc.boolean(), nowMs: fc.nat() }),
    fc.record({
      type: fc.constant("canary" as const),
      round,
      share: fc.integer({ min: 1, max: 10_000 }),
      nowMs: fc.nat(),
    }),
    fc.record({ type: fc.constantFrom("promote" as const, "rollback" as const), round, nowMs: fc.nat() }),
  );
  const run = (messages: readonly StageMessage[]): void => {
    let models: readonly StagedModel[] = [];
    const begun = new Set<number>();
    for (const it of messages) {
      // A round releases once.
      if (it.type === "released" && begun.has(it.round)) continue;
      if (it.type === "released") begun.add(it.round);
      const gone = models.filter(({ stage }) => stage === "rolled-back").map((model) => model.round);
      try {
        models = stepStages(models, it).models;
      } catch (cause) {
        if (!(cause instanceof CoordinatorError)) throw cause;
      }
      const count = (stage: string) => models.filter((model) => model.stage === stage).length;
      if (count("live") > 1 || count("canary") > 1) throw new Error("more than one at a time");
      if (models.some((model) => (model.stage === "canary") !== (model.share !== null))) throw new Error("share");
      for (const one of gone) {
        if (models.find((model) => model.round === one)?.stage !== "rolled-back") throw new Error(`${one} came back`);
      }
    }
  };
  fc.assert(fc.property(fc.array(message, { maxLength: 30 }), run), { seed: 7, numRuns: 500 });
  t.end();
});
