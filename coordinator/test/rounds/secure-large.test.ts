import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";
import { secureExact } from "../server/plans.js";

t.test("masked vectors above 1 MiB travel in chunks, and their sum is exact in every coordinate", async (t) => {
  // 20 bits each: 1.2 MB, two chunks.
  const length = 480_000;
  const plan = {
    ...secureExact(4),
    model: { parameters: length },
    // Above the norm of every update, so that nothing is clipped.
    privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 4_096, bits: 20 },
  };
  const federation = await Federation.open(t, { plan });
  const secureAggregation = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
  const values = [1, -2, 3, 0.5];
  const people = await Promise.all(
    values.map((value) =>
      federation.join({
        trainer: new ConstantTrainer(value),
        secureAggregation,
        floors: { allowNoNoise: true, minimumNoiseMultiplier: 0, minimumCohort: 3 },
      }),
    ),
  );
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  for (const events of await Promise.all(parts)) {
    const sent = events.flatMap((event) => (event.type === "masked" ? [event.bytes] : []));
    t.same(sent, [(length * 20) / 8]);
  }
  const model = await federation.model();
  t.equal(model.length, length);
  t.ok(
    model.every((value) => value === (1 - 2 + 3 + 0.5) / 4),
    "every coordinate",
  );
  t.same(federation.faults, []);
});
