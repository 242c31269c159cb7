// Strategies with a device's side, in rounds that are abandoned or noised: real devices over gRPC.
import type { Trainer } from "@fedloop/client-runtime";
import { scaffoldTrainer } from "@fedloop/client-runtime/personalisation";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import { Federation } from "../server/federation.js";
import type { PlanChanges } from "../server/plans.js";

t.setTimeout(120_000);

const LINEAR = {
  class_name: "Sequential",
  config: {
    name: "line",
    layers: [{ class_name: "Dense", config: { name: "w", units: 1, use_bias: false, batch_input_shape: [null, 1] } }],
  },
};

/** One example (1, label): the gradient of w is 2(w − label). */
function scaffoldOn(label: number): Trainer {
  const one = { features: Float32Array.of(1), featureShape: [1] };
  const examples = { ...one, labels: Float32Array.of(label), labelShape: [1] };
  return scaffoldTrainer({ id: "line", topology: LINEAR, examples });
}

function scaffoldPlan(devices: number): PlanChanges {
  return {
    model: { tensors: { w: [1, 1], c: [1, 1] } },
    trainer: { id: "line", settings: { learningRate: 0.1, epochs: 2, batchSize: 1 } },
    strategy: { id: "scaffold", settings: { devices } },
    cohort: { target: devices, minimum: devices, overSelection: 1 },
  };
}

t.test("SCAFFOLD: an update of an abandoned round moves no control variate", async (t) => {
  const federation = await Federation.open(t, { plan: { ...scaffoldPlan(2), rounds: 2 } });
  let accepted = (): void => undefined;
  const isCounted = new Promise<void>((resolve) => {
    accepted = resolve;
  });
  const leaving = new AbortController();
  const inner = scaffoldOn(1);
  const first = await federation.join({ trainer: scaffoldOn(3) });
  const second = await federation.join({
    trainer: {
      id: inner.id,
      evaluate: (task) => inner.evaluate(task),
      // In its first round it leaves, once the other's update is in.
      train: async (task) => {
        await isCounted;
        if (!leaving.signal.aborted) leaving.abort();
        return inner.train(task);
      },
    },
  });
  const rounds: string[] = [];
  const staying = (async () => {
    for await (const event of first.run({ signal: federation.signal })) {
      if (event.type === "accepted") accepted();
      if (event.type === "abandoned" || event.type === "released") rounds.push(event.type);
    }
  })();
  const coming = (async () => {
    for await (const _ of second.run({ signal: leaving.signal }));
    await federation.takePart(second);
  })();
  await federation.run();
  await Promise.all([staying, coming]);
  t.strictSame(rounds, ["abandoned", "released", "released"]);
  const [x = 0, c = 0] = await federation.model();
  // Both begin at cᵢ = 0 in the first round that counts. Label 3: 0 → 0.6 → 1.08, cᵢ = −1.08/0.2 = −5.4; label 1: 0 → 0.2 → 0.36,
  // −1.8. x = 0.72, c = −3.6. Then c − cᵢ = ±1.8: 0.72 → 0.996 → 1.2168 and 0.72 → 0.956 → 1.1448; Δcᵢ = 3.6 − 0.4968/0.2 = 1.116
  // and 3.6 − 0.4248/0.2 = 1.476. x = 0.72 + 0.4608, c = −3.6 + 1.296.
  t.ok(Math.abs(x - 1.1808) < 1e-6 && Math.abs(c + 2.304) < 1e-5, `[x | c] = ${[x, c]}`);
  t.same((await federation.audit()).findings, []);
  t.same(federation.faults, []);
});

t.test("SCAFFOLD: one clip and one noise for both halves of the vector, as the plan promises", async (t) => {
  const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
  const clipNorm = 8;
  const federation = await Federation.open(t, {
    plan: {
      ...scaffoldPlan(3),
      policy: { epsilon: 1_000, delta: 1e-5 },
      privacy: { mechanism: "distributed-discrete-gaussian", clipNorm, noiseMultiplier: 0.3, bits: 24 },
      secureAggregation: { enabled: true },
    },
  });
  const people = await Promise.all(
    [1, 2, 3].map((label) => federation.join({ trainer: scaffoldOn(label), secureAggregation: crypto })),
  );
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  const [plan] = await federation.entries("round.plan");
  t.equal(plan?.body.update.dimension, 2, "a vector of both halves is what is clipped");
  t.equal(plan?.body.privacy.clipNorm, String(clipNorm));
  const [x = 0, c = 0] = await federation.model();
  // Without noise x = 0.72, c = −3.6. The sum's noise has σ ≥ 0.3·8 in each coordinate, a third of it in x and c: 8σ and a half.
  t.ok(Math.abs(x - 0.72) < 7 && Math.abs(c + 3.6) < 7, `[x | c] = ${[x, c]}`);
  t.not(x, 0);
  t.same((await federation.audit()).findings, []);
  t.same(federation.faults, []);
});
