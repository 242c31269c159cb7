// What the learning app decides on the device by itself: which explanation somebody gets, and whether a log looks like practice at all.
import { logisticRegressionTrainer, memoryStore } from "@fedloop/client-runtime";
import { type CapturedEvent, gatedTrainer, seededNumbers } from "@fedloop/feedback";
import t from "tap";
import { EXPLANATIONS, Hints } from "../../learning-app/hints.js";
import { usualGate, usualRow } from "../../learning-app/usual.js";

/** Explains so many times to somebody whom only one explanation helps. @returns how often it was that one */
async function explained(hints: Hints, times: number, helps: string): Promise<number> {
  let helped = 0;
  for (let n = 0; n < times; n++) {
    const isHelp = hints.explain(0.5) === EXPLANATIONS[helps];
    helped += Number(isHelp);
    await hints.answered(isHelp);
  }
  return helped;
}

t.test("somebody gets the explanation that helps, also after a restart, until the device is to forget", async (t) => {
  const store = memoryStore();
  let isAllowed = true;
  // Seeded: of 40 choices a tenth is uniform, so 33 or more are right but for one seed in a thousand.
  const options = { store, random: seededNumbers("hints"), isAllowed: () => isAllowed };
  const first = await Hints.open(options);
  await explained(first, 60, "twelfths");
  const again = await Hints.open(options);
  const learned = await explained(again, 40, "twelfths");
  t.ok(learned >= 33, `${learned} of 40`);
  await again.erase();
  t.same(await store.keys(""), []);
  const forgotten = await explained(again, 3, "");
  t.equal(forgotten, 0);
  await again.erase();
  isAllowed = false;
  t.equal(await explained(again, 5, "cake"), 5, "without consent all get the first");
  t.same(await store.keys(""), [], "and nothing is kept");
});

/** So many answers on one day, of which a share is right. */
function day(answers: number, shareRight: number): CapturedEvent[] {
  return Array.from({ length: answers }, (_, sequence) => ({
    sequence,
    atMs: 1_000 * sequence,
    type: "answer.given",
    fields: { correct: sequence < shareRight * answers },
  }));
}

t.test("a script that clicks all night does not train, somebody who practises does", async (t) => {
  const data = { features: Float32Array.of(1, 1), labels: Uint8Array.of(0, 1), held: new Uint8Array(2) };
  const train = (events: readonly CapturedEvent[]) =>
    gatedTrainer(logisticRegressionTrainer(data), usualGate(), async () => usualRow(events)).train({
      ...{ parameters: new Float32Array(2), manifest: [], settings: {}, updateLength: 2 },
      state: { get: async () => undefined, put: async () => {} },
      signal: new AbortController().signal,
      onProgress: () => {},
    });
  await t.rejects(train(day(5_000, 0.5)), { code: "HELD" });
  await t.rejects(train(day(900, 1)), { code: "HELD" });
  for (const [answers, share] of [
    [0, 0],
    [1, 1],
    [8, 0.6],
    [12, 0.3],
    [24, 0.9],
    [60, 0.7],
  ] as const) {
    t.equal((await train(day(answers, share))).update.length, 2, `${answers} answers`);
  }
});
