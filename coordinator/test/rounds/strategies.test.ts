// Strategies in whole rounds: real devices over gRPC, some of them poisoned, and an auditor at the end.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { memoryStore } from "@fedloop/client-runtime";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";
import { PARAMETERS, type PlanChanges } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

t.setTimeout(240_000);

/** A number whose 32-bit pattern stands nowhere but in this poisoned update. */
const POISON = -1234.5678;

function cohort(target: number): PlanChanges {
  return { cohort: { target, minimum: target, overSelection: 1 } };
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

t.test("a median of single updates withstands one that is poisoned, and keeps none of them on disk", async (t) => {
  const federation = await Federation.open(t, {
    plan: { ...cohort(5), rounds: 2, strategy: { id: "coordinate-median", settings: { learningRate: 0.5 } } },
  });
  const values = [1, 2, 3, 4, POISON];
  const people = await Promise.all(values.map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  // The median of {1, 2, 3, 4, −1234.57} is 2: two rounds at a half of it.
  t.same(await federation.model(), new Array(PARAMETERS).fill(2));
  t.same((await federation.audit()).findings, []);
  t.same(federation.faults, []);
  const pattern = Buffer.from(Float32Array.of(POISON).buffer);
  for (const path of filesUnder(federation.folder)) {
    t.notOk(readFileSync(path).includes(pattern), `${path.split("/").at(-1)} holds no update`);
  }
});

t.test("what an adaptive server optimiser remembers outlives the process", async (t) => {
  const dataDir = temporaryFolder(t);
  const settings = { learningRate: 1, momentum: 0.5, secondMomentum: 0.75, adaptivity: 1 };
  const plan = { ...cohort(2), rounds: 2, strategy: { id: "fedadam", settings } };
  const devices = [2, 2].map((value) => ({
    store: memoryStore(),
    signer: generateNodeSigner(),
    trainer: new ConstantTrainer(value),
  }));
  const federation = await Federation.open(t, { plan, dataDir });
  const stop = new AbortController();
  const before = await Promise.all(devices.map((device) => federation.join(device)));
  const half = before.map((person) => federation.takePart(person).catch(() => []));
  const running = federation.coordinator.run(stop.signal);
  await federation.notice(({ round, state }) => round === 1 && state === "closed");
  stop.abort();
  await running;
  await federation.close();
  await Promise.all(half);

  const again = await Federation.open(t, { plan, dataDir });
  const people = await Promise.all(devices.map((device) => again.join(device)));
  const parts = people.map((person) => again.takePart(person));
  await again.run();
  await Promise.all(parts);
  // Δ = 2 twice. m: 1, 1.5. v: 0.75 + 1 = 1.75, then 0.75·1.75 + 1 = 2.3125.
  const wanted = 1 / (Math.sqrt(1.75) + 1) + 1.5 / (Math.sqrt(2.3125) + 1);
  for (const value of await again.model()) t.ok(Math.abs(value - wanted) < 1e-6, `${value}, expected ${wanted}`);
});

const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });

const GROUPS: PlanChanges = {
  ...cohort(9),
  policy: { epsilon: 1_000, delta: 1e-5 },
  secureAggregation: { enabled: true, groupTarget: 3, dropoutFraction: 0 },
  strategy: { id: "group-median" },
};

t.test("a median over groups of secure sums, each with noise of its own from its devices", async (t) => {
  const federation = await Federation.open(t, {
    plan: {
      ...GROUPS,
      privacy: { mechanism: "distributed-discrete-gaussian", clipNorm: 8, noiseMultiplier: 0.3, bits: 24 },
    },
  });
  // Poisoned to the length that the clip lets through: −8/√3 = −4.6 in each coordinate of one of nine.
  const people = await Promise.all(
    Array.from({ length: 9 }, (_, i) =>
      federation.join({ trainer: new ConstantTrainer(i === 0 ? -100 : 1), secureAggregation: crypto }),
    ),
  );
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  // A group's mean is 1, the poisoned one's −0.87; noise of σ = 0.3·8/3 = 0.8 on each. The median of the two good and the
  // poisoned has a mean of about 0.6; a plain mean would have 0.38. What can be asserted without a false alarm (8σ): the scale.
  for (const value of await federation.model()) t.ok(Math.abs(value - 0.7) < 6.5, `${value}`);
  const [plan] = await federation.entries("round.plan");
  t.equal(plan?.body.privacy.adjacency, "replace-special");
  t.ok(Number(plan?.body.privacy.noiseMultiplier) >= 0.3);
  const { findings, populations } = await federation.audit();
  t.same(findings, []);
  t.equal(populations[0]?.adjacency, "replace-special");
  t.same(federation.faults, []);
});

t.test("without noise the median over groups is exact, and no poisoned group moves it", async (t) => {
  const privacy = { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 64, bits: 24 };
  const federation = await Federation.open(t, { plan: { ...GROUPS, policy: undefined, privacy } });
  const people = await Promise.all(
    Array.from({ length: 9 }, (_, i) =>
      federation.join({ trainer: new ConstantTrainer(i === 0 ? -100 : 1), secureAggregation: crypto }),
    ),
  );
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  t.same(await federation.model(), new Array(PARAMETERS).fill(1));
  t.same(federation.faults, []);
});
