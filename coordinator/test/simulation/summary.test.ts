import t from "tap";
import { type DemoSummary, demoText, roundName } from "../../src/simulation/summary.js";

t.test("an evaluation is named as one, in its step and in the summary", async (t) => {
  t.equal(roundName({ round: 2, kind: "train" }), "Round 2");
  t.equal(roundName({ round: 3, kind: "evaluate" }), "Round 3 (evaluation)");
  const summary: DemoSummary = {
    population: "p",
    participants: 12,
    consented: 10,
    rounds: 2,
    evaluations: 1,
    metric: { name: "rmse", value: 1, globalMean: 1, central: 1 },
    privacy: { unit: "participant", epsilon: 4, delta: 1e-5, accountant: "rdp" },
    ledger: { size: 1, root: "r", verified: true },
    bundle: "/out/bundle",
    model: "/out/model",
    seconds: 1,
    peakServerMb: 1,
  };
  t.match(demoText(summary), /10 of 12 people took part in 2 rounds of training and an evaluation; 2 had refused/);
  t.match(demoText({ ...summary, rounds: 1, evaluations: 0 }), /took part in 1 round of training; 2 had/);
});
