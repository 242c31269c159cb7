// The mechanisms of mechanisms.test.ts under secure aggregation: the coordinator sees sums of masked vectors.
import { type JoinOptions, logisticRegressionTrainer } from "@fedloop/client-runtime";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t, { type Test } from "tap";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";
import type { PlanChanges } from "../server/plans.js";

t.setTimeout(120_000);

const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });

const floors = {
  allowExampleUnit: true,
  minimumNoiseMultiplier: 0,
  maximumEpsilonPerRound: 1e6,
  maximumEpsilon: 1e6,
  minimumCohort: 3,
};

async function run(t: Test, count: number, plan: PlanChanges, join: Partial<JoinOptions> = {}): Promise<Federation> {
  const federation = await Federation.open(t, {
    plan: {
      policy: { epsilon: 1_000, delta: 1e-5 },
      cohort: { target: 6, minimum: 6, overSelection: 1 },
      deadlines: { selection: "20s", report: "10s" },
      secureAggregation: { enabled: true },
      ...plan,
    },
  });
  const options = { trainer: new ConstantTrainer(1), secureAggregation: crypto, floors, ...join };
  const people = await Promise.all(Array.from({ length: count }, () => federation.join(options)));
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  t.equal(federation.population.finished, "rounds-done");
  t.same((await federation.audit()).findings, []);
  t.same(federation.faults, []);
  return federation;
}

for (const mechanism of ["central-discrete-gaussian", "distributed-discrete-gaussian", "distributed-skellam"]) {
  t.test(`a clip adapts under masks, with ${mechanism} noise`, async (t) => {
    const adaptiveClipping = { learningRate: 0.5, countNoiseStdDev: 0.3 };
    const federation = await run(t, 6, {
      rounds: 3,
      privacy: { mechanism, clipNorm: 0.25, noiseMultiplier: 0.3, bits: 24, adaptiveClipping },
    });
    const plans = await federation.entries("round.plan");
    const clips = plans.map(({ body }) => Number(body.privacy.adaptiveClipping?.clipNorm));
    // Norms are √3: all updates are clipped, and the clip rises by e^0.25 a round, less what the noise takes.
    t.ok(clips.length === 3 && (clips[2] ?? 0) > 0.25 * Math.exp(0.3), `${clips}`);
    for (const value of await federation.model()) t.ok(value > 0.2 && value < 1, `${value}`);
  });
}

t.test("a run of DP-FTRL goes on from step to step under masks", async (t) => {
  const factorisation = { minSeparation: 2, bands: 2, maxParticipations: 2 };
  const federation = await run(t, 12, {
    rounds: 3,
    privacy: { mechanism: "dp-ftrl", clipNorm: 4, noiseMultiplier: 0.1, bits: 24, factorisation },
  });
  const cohorts = await federation.cohorts();
  for (const round of [1, 2]) {
    t.equal(new Set([...(cohorts.get(round) ?? []), ...(cohorts.get(round + 1) ?? [])]).size, 12);
  }
  // Three means of 1 with correlated noise of σ 0.1·4·1.2/6 = 0.08 each, 0.14 at most in all: 1 is beyond seven of it.
  for (const value of await federation.model()) t.ok(Math.abs(value - 3) < 1, `${value}`);
});

t.test("example-level training under masks: noise in each update, none on the sum", async (t) => {
  const rows = {
    features: Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)),
    labels: Uint8Array.from({ length: 30 }, (_, i) => i % 2),
    held: new Uint8Array(30),
  };
  const examples = { clipNorm: 1, samplingProbability: 0.5, steps: 3, lotSize: 15 };
  const federation = await run(
    t,
    6,
    {
      policy: { epsilon: 4, delta: 1e-5 },
      trainer: { id: "logistic-regression" },
      privacy: { mechanism: "dp-sgd", clipNorm: 8, bits: 24, examples },
    },
    { trainer: logisticRegressionTrainer(rows) },
  );
  t.match((await federation.entries("round.plan"))[0]?.body, {
    privacy: { unit: "example", mechanism: "dp-sgd" },
    secureAggregation: { enabled: true },
    update: { encoding: "quantised" },
  });
});
