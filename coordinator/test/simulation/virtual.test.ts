// Simulations of virtual devices: the same each time, whatever the number of threads, and through the privacy code.
import { secAggParameters } from "@fedloop/privacy/secagg";
import fc from "fast-check";
import t from "tap";
import { buildSchedule } from "../../src/rounds/build-schedule.js";
import { SeededRandom } from "../../src/simulation/seeded-random.js";
import { maskedSum } from "../../src/simulation/virtual/masked-group.js";
import { type Masks, masksOf } from "../../src/simulation/virtual/masks.js";
import { partitionOf } from "../../src/simulation/virtual/partition.js";
import { simulationPage } from "../../src/simulation/virtual/report-page.js";
import { masksLine, simulationReport } from "../../src/simulation/virtual/report-text.js";
import { simulatePlan } from "../../src/simulation/virtual/simulate-plan.js";
import { type PlanChanges, testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";
import { simulated, VIRTUAL, virtualSection } from "./virtual-plan.js";

t.setTimeout(180_000);

const FAULTS = {
  dropout: 0.1,
  stragglers: { fraction: 0.2, slowdown: 50 },
  trainingTime: "2s",
  poisoned: { fraction: 0.1, attack: "noise", scale: 0.1 },
};

t.test(
  "masks in earnest on two threads and none on one come to the same, bit for bit, with dropouts and stragglers",
  async (t) => {
    const plan = (masks: "full" | "none") => ({
      ...virtualSection({ ...FAULTS, masks }),
      rounds: 2,
      policy: { epsilon: 1_000, delta: 1e-5 },
      privacy: { mechanism: "distributed-discrete-gaussian", clipNorm: 1, noiseMultiplier: 0.5, bits: 24 },
      secureAggregation: { enabled: true, groupTarget: 20 },
    });
    const [full, none] = [await simulated(t, plan("full"), 2), await simulated(t, plan("none"), 1)];
    t.same([full.masks, none.masks], ["full", "none"]);
    t.equal(full.modelSha256, none.modelSha256);
    t.same(full.rounds, none.rounds);
    t.equal(full.poisonedDevices, 20);
    t.ok((full.epsilon ?? 0) > 0);
    t.ok(full.rounds.some(({ late, vanished, abandoned }) => late > 0 && vanished > 0 && abandoned === null));
    t.match(masksLine(full.masks), /^Masks full/);
    t.match(masksLine(none.masks), /^Masks left out/);
  },
);

t.test("training learns what there is to learn, and the report says how it came about", async (t) => {
  const one = await simulated(t, { rounds: 6, strategy: { id: "fedavgm", settings: { momentum: 0.5 } } });
  t.ok((one.accuracy ?? 0) > 0.85, `accuracy ${one.accuracy}; one in five is right by chance`);
  t.equal(one.epsilon, null);
  t.equal(one.trainings, 6 * 40);
  const text = simulationReport(one, { model: "m", page: "p" });
  t.match(text, /round {2}selected/);
  t.match(text, /█/);
  t.match(text, /randomness +seeded with 7: the same each time, and no protection/);
  t.match(text, /masks +none, by the plan/);
  const page = simulationPage(one);
  t.match(page, /<polyline points="46/);
  t.notMatch(page, /src=|href=|url\(/, "the page requests nothing");
});

t.test("the budget ends a simulation as it ends a coordinator's rounds", async (t) => {
  const { rounds } = await simulated(t, {
    rounds: 5,
    policy: { epsilon: 4, delta: 1e-5 },
    privacy: { mechanism: "central-discrete-gaussian", clipNorm: 1, noiseMultiplier: 2, bits: 18 },
  });
  const last = rounds.at(-1);
  t.equal(last?.abandoned, "BUDGET_EXCEEDED");
  t.ok(
    (last?.epsilon ?? 5) <= 4 && rounds.length > 1 && rounds.length < 6,
    `${rounds.length} rounds, ε ${last?.epsilon}`,
  );
});

t.test("a partition deals every example out once, in equal numbers", async () => {
  const labels = Uint8Array.from({ length: 300 }, (_, i) => i % 4);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 0, max: 99 }),
      fc.constantFrom(0.01, 0.5, 100),
      fc.constantFrom<"iid" | "dirichlet">("iid", "dirichlet"),
      (devices, seed, alpha, type) => {
        const { starts, rows } = partitionOf({ labels, classes: 4 }, { devices, seed, partition: { type, alpha } });
        const sizes = [...starts.slice(1)].map((end, i) => end - (starts[i] ?? 0));
        return new Set(rows).size === 300 && Math.max(...sizes) - Math.min(...sizes) <= 1;
      },
    ),
    { seed: 3, numRuns: 40 },
  );
});

t.test("the smaller α, the fewer classes a device knows", async (t) => {
  const labels = Uint8Array.from({ length: 2_000 }, (_, i) => i % 10);
  const classesKnown = (alpha: number): number => {
    const partition = { type: "dirichlet", alpha } as const;
    const { starts, rows } = partitionOf({ labels, classes: 10 }, { devices: 50, seed: 5, partition });
    const known = Array.from({ length: 50 }, (_, device) => {
      return new Set([...rows.subarray(starts[device], starts[device + 1])].map((row) => labels[row])).size;
    });
    return known.reduce((sum, count) => sum + count, 0) / known.length;
  };
  const [few, some, most] = [classesKnown(0.02), classesKnown(0.3), classesKnown(100)];
  t.ok(few < 3 && few < some && some < most && most > 9, `${few}, ${some}, ${most}`);
});

t.test("seeded streams are uniform, and those of two names have nothing in common", async (t) => {
  const [a, b] = [new SeededRandom(1, ["a"]), new SeededRandom(1, ["b"])];
  const draws = Array.from({ length: 4_000 }, () => [a.uniform(), b.uniform()] as const);
  const mean = draws.reduce((sum, [x]) => sum + x, 0) / draws.length;
  const product = draws.reduce((sum, [x, y]) => sum + (x - 0.5) * (y - 0.5), 0) / draws.length;
  // Six deviations each: 0.289/√4000 = 0.0046 and 0.083/√4000 = 0.0013. The seed is fixed; for a fresh one, 4e-9.
  t.ok(Math.abs(mean - 0.5) < 0.028, String(mean));
  t.ok(Math.abs(product) < 0.008, String(product));
  const gammas = Array.from({ length: 4_000 }, () => a.gamma(0.5));
  t.ok(Math.abs(gammas.reduce((sum, x) => sum + x, 0) / 4_000 - 0.5) < 0.07, "the mean of a gamma is its shape");
});

t.test("a tenth of flipped updates ruins a mean, and not a median", async (t) => {
  const poisoned = virtualSection({ poisoned: { fraction: 0.1, attack: "sign-flip", scale: 10 } });
  const mean = await simulated(t, { ...poisoned, rounds: 12 });
  const median = await simulated(t, { ...poisoned, rounds: 12, strategy: { id: "coordinate-median" } });
  t.ok((median.accuracy ?? 0) > 0.8 && (mean.accuracy ?? 1) < 0.7, `${median.accuracy} against ${mean.accuracy}`);
});

t.test("with FedBuff rounds wait for nobody, and late devices hand in with a later one", async (t) => {
  const slow = virtualSection({ stragglers: { fraction: 0.3, slowdown: 20 }, trainingTime: "1s" });
  const cohort = { target: 30, minimum: 20, overSelection: 1.5 };
  const settings = { maximumStaleness: 5 };
  const { rounds, accuracy } = await simulated(t, { ...slow, cohort, strategy: { id: "fedbuff", settings } });
  t.ok(rounds.every(({ submitted, selected }) => submitted === 30 && selected > 30));
  t.ok((rounds.at(-1)?.endMs ?? 0) < 8 * 5_000, "none of eight rounds waited for devices of 20 s");
  t.ok((accuracy ?? 0) > 0.8, `accuracy ${accuracy}`);
});

t.test("a simulation that is stopped says so, and leaves no thread behind", async (t) => {
  const folder = temporaryFolder(t);
  const loaded = await testPlan(folder, { ...VIRTUAL, ...virtualSection(), rounds: 1_000 });
  const stop = new AbortController();
  const running = simulatePlan({ loaded, folder, threads: 1, signal: stop.signal, onRound: () => stop.abort() });
  await t.rejects(running, { code: "CANCELLED" });
});

t.test("what cannot be simulated is refused", async (t) => {
  const many = { ...virtualSection({ devices: 4_001 }) };
  await t.rejects(simulated(t, many), { code: "BAD_PLAN", message: /at most one device for each of 4000 examples/ });
  const missing = virtualSection({ data: { type: "fashion-mnist", folder: "/nowhere" } });
  await t.rejects(simulated(t, missing), { code: "FILE_UNREADABLE", message: /apt-get install dataset-fashion-mnist/ });
});

t.test(
  "masks are left out by default where they would take long, and there are none without secure aggregation",
  async (t) => {
    const section = { enabled: true, groupTarget: 20 };
    const privacy = { mechanism: "none", reason: "a test", clipNorm: 4 };
    const masksWith = async (changes: PlanChanges): Promise<Masks | null> => {
      const { plan } = await testPlan(temporaryFolder(t), { ...VIRTUAL, ...virtualSection(), ...changes });
      return masksOf({}, buildSchedule(plan, 1).rounds);
    };
    t.equal(await masksWith({}), null);
    t.equal(await masksWith({ privacy, secureAggregation: section }), "full");
    t.equal(await masksWith({ privacy, secureAggregation: section, rounds: 10_000 }), "none");
  },
);

/** Eight devices that mask small vectors in one group. */
function eight(gone: number): Promise<Int32Array | undefined> {
  const hash = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
  const parameters = secAggParameters({
    session: hash(1),
    round: 1,
    planHash: hash(2),
    modelHash: hash(3),
    length: 5,
    bits: 16,
    valueBound: 100,
    overflow: "impossible",
    graph: { type: "complete" },
    minimumMembers: 3,
    maximumMembers: 10,
    minimumSurvivors: 3,
  });
  const keys = [10, 11, 12, 13, 14, 15, 16, 17];
  const masked = keys.slice(gone);
  const vectors = new Map(masked.map((device) => [device, Int32Array.from({ length: 5 }, (_, i) => device * (i - 2))]));
  const answered = { keys, shares: keys, masked, consistency: masked, unmask: masked };
  return maskedSum(parameters, answered, vectors, new SeededRandom(1, ["graph"]), new AbortController().signal);
}

t.test(
  "a group of virtual devices goes through the protocol: its sum is exact, and there is none when too many are gone",
  async (t) => {
    t.same(
      [...((await eight(2)) ?? [])],
      [-2, -1, 0, 1, 2].map((factor) => factor * (12 + 13 + 14 + 15 + 16 + 17)),
    );
    t.equal(await eight(3), undefined, "six of eight are needed");
  },
);
