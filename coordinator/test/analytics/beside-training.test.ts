import { answeringTrainer } from "@fedloop/client-runtime/analytics";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import { answeredQueries } from "../../src/analytics/results.js";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";

const PEOPLE = 6;
const EPSILON = 8;

t.test("devices vote under masks and noise, the winner trains, and one budget pays for both", async (t) => {
  const ask = {
    kind: "votes",
    table: "tuning",
    candidate: "name",
    loss: "error",
    candidates: ["slow", "fast"],
    minimumDevices: 3,
  };
  const tunes = { slow: { learningRate: 0.1 }, fast: { learningRate: 0.5, epochs: 2 } };
  const analytics = { when: "before", budgetShare: 0.5, queries: [{ name: "rate", ask, tunes }] };
  const federation = await Federation.open(t, {
    plan: {
      analytics,
      trainer: { id: "test", settings: { learningRate: 0.2, batch: 16 } },
      cohort: { target: PEOPLE, minimum: PEOPLE - 1, overSelection: 1 },
      privacy: { mechanism: "distributed-discrete-gaussian", clipNorm: 1, epsilon: EPSILON, delta: 1e-5 },
      secureAggregation: { enabled: true },
    },
  });
  const tables = {
    tuning: [
      { name: "slow", error: 0.4 },
      { name: "fast", error: 0.2 },
    ],
  };
  const secureAggregation = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
  const both = await Promise.all(
    Array.from({ length: PEOPLE }, () =>
      federation.join({ trainer: answeringTrainer(new ConstantTrainer(1), { tables }), secureAggregation }),
    ),
  );
  const parts = both.map((participant) => federation.takePart(participant));
  await federation.run();
  await Promise.all(parts);
  t.same(federation.faults, []);
  const [answered] = await answeredQueries(federation.coordinator);
  // Noise of less than one vote on each count: six votes lose to none in less than one of a million runs.
  t.ok((answered?.kept.fast ?? 0) > (answered?.kept.slow ?? 0), JSON.stringify(answered?.kept));
  t.ok((answered?.result.noiseVariance ?? 0) > 0);
  t.same(
    (await federation.entries("round.plan")).map(({ body }) => [body.kind, body.trainer.id, body.privacy.noiseAt]),
    [
      ["evaluate", "analytics", "devices"],
      ["train", "test", "devices"],
    ],
  );
  const [, trained] = await federation.entries("round.plan");
  t.same(trained?.body.trainer.settings, { learningRate: "0.5", epochs: 2, batch: 16 }, "what won the votes");
  const debits = (await federation.entries("budget.debit")).map(({ body }) => Number(body.epsilon));
  const [tuned = 0, whole = 0] = debits;
  t.ok(debits.length === 2 && tuned > 0.4 * EPSILON && tuned < whole, `tuning was charged: ${debits}`);
  const report = await federation.audit();
  t.same(report.findings, []);
  const spent = report.populations[0]?.epsilon ?? Number.POSITIVE_INFINITY;
  t.ok(spent > 0.95 * EPSILON && spent <= EPSILON, `ε ${spent} in all, of ${EPSILON}`);
  for (const participant of both) t.ok((await participant.budget()).epsilon <= EPSILON, "devices count the same");
});
