// Buffered asynchronous rounds (FedBuff): who is late hands in with a later round, weighted by how old its model is.
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t, { type Test } from "tap";
import { Federation } from "../server/federation.js";
import { ConstantTrainer, HeldTrainer } from "../server/people.js";
import type { PlanChanges } from "../server/plans.js";

t.setTimeout(240_000);

const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });

/** Holds the round of a given number, and no other. */
class HeldOnce extends HeldTrainer {
  readonly #held: number;
  #round = 0;

  constructor(value: number, held: number) {
    super(value);
    this.#held = held;
  }

  override train(task: { readonly updateLength: number }): Promise<{ update: Float32Array }> {
    this.#round += 1;
    return this.#round === this.#held ? super.train(task) : new ConstantTrainer(this.value).train(task);
  }
}

/**
 * Buffers of three of four devices. The one called slow is late for the first, and another one for the second, so that the second
 * has the slow one's update of the model before.
 *
 * @param second number of the second training round
 */
async function twoBuffers(t: Test, changes: PlanChanges, second: number): Promise<Federation> {
  const federation = await Federation.open(t, {
    plan: {
      rounds: 2,
      cohort: { target: 3, minimum: 3, overSelection: 1.3 },
      strategy: { id: "fedbuff", settings: { maximumStaleness: 2, stalenessExponent: 0.5 } },
      ...changes,
    },
  });
  const [slow, other] = [new HeldOnce(3, 1), new HeldOnce(1, 2)];
  const trainers = [new ConstantTrainer(1), new ConstantTrainer(1), other, slow];
  const people = await Promise.all(trainers.map((trainer) => federation.join({ trainer, secureAggregation: crypto })));
  const parts = people.map((person) => federation.takePart(person));
  const running = federation.run();
  await federation.notice(({ round, state }) => round === 1 && state === "closed");
  slow.letGo();
  await federation.notice(({ round, state }) => round === second && state === "closed");
  other.letGo();
  await running;
  const events = await Promise.all(parts);
  t.ok(
    events[3]?.some((event) => event.type === "abandoned" && event.round === 1),
    "the slow device is told that round 1 went on without it",
  );
  t.ok(events[3]?.some((event) => event.type === "accepted" && event.round === second));
  t.equal(slow.trained, 1, "it trained once, for both");
  t.same((await federation.audit()).findings, []);
  t.same(federation.faults, []);
  return federation;
}

/** (1 + 1 + 1)/3, then (1 + 1 + 3·(1 + 1)^(−½))/3. */
const WANTED = 1 + (2 + 3 / Math.SQRT2) / 3;

t.test("a late update is counted in the next buffer, at the weight of its age", async (t) => {
  // With an evaluation in between, which has the slow device's answer and leaves its update alone.
  const federation = await twoBuffers(t, { evaluation: { metric: "mean", every: 1 } }, 3);
  for (const value of await federation.model()) t.ok(Math.abs(value - WANTED) < 1e-6, `${value}, expected ${WANTED}`);
  const [first, evaluation, second] = await federation.entries("round.plan");
  t.same([evaluation?.body.kind, evaluation?.body.staleness], ["evaluate", undefined]);
  t.same(first?.body.staleness, { exponent: "0.5", models: [first?.body.model.sha256] });
  t.same(second?.body.staleness?.models, [second?.body.model.sha256, first?.body.model.sha256]);
});

t.test("under secure aggregation a buffer is one secure sum, and who is late is in none of its masks", async (t) => {
  const federation = await twoBuffers(
    t,
    {
      privacy: { mechanism: "none", reason: "the test compares numbers", clipNorm: 64, bits: 28 },
      secureAggregation: { enabled: true },
    },
    2,
  );
  // Masked updates are rounded to integers: 28 bits over the sum of four leave steps of 64/2^24.
  for (const value of await federation.model()) t.ok(Math.abs(value - WANTED) < 1e-4, `${value}, expected ${WANTED}`);
});
