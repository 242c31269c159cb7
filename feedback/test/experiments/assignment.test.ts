import { createHmac } from "node:crypto";
import { memoryStore } from "@fedloop/client-runtime";
import { systemRandom } from "@fedloop/privacy";
import t from "tap";
import {
  armCountsLayout,
  armCountsLength,
  armCountsNormBound,
  armCountsVector,
  type ExperimentDefinition,
  Experiments,
  type ExperimentsDefinition,
  experimentSecret,
  LAYER_BUCKETS,
  OutcomeLog,
  readArmCounts,
} from "../../src/index.js";

const GREETING: ExperimentDefinition = {
  id: "greeting",
  version: 1,
  arms: [
    { name: "plain", weight: 50 },
    { name: "warm", weight: 30 },
    { name: "funny", weight: 20 },
  ],
  outcomes: ["opened", "returned"],
};
const DEVICES = 4_000;

/** Devices with secrets of their own, the same each time. */
function* devices(definition: ExperimentsDefinition, count: number = DEVICES): Generator<Experiments> {
  for (let n = 0; n < count; n++) {
    const secret = new Uint8Array(32);
    new DataView(secret.buffer).setUint32(0, n);
    yield new Experiments(definition, secret);
  }
}

/** Pearson's chi-squared of counts against weights. */
function chiSquared(counts: readonly number[], weights: readonly number[]): number {
  const total = counts.reduce((sum, n) => sum + n, 0);
  const all = weights.reduce((sum, n) => sum + n, 0);
  return counts.reduce((sum, n, i) => {
    const expected = (total * (weights[i] ?? 0)) / all;
    return sum + (n - expected) ** 2 / expected;
  }, 0);
}

t.test("assignment is HMAC-SHA-256 of the experiment under the device's secret, as documented", async (t) => {
  for (const [n, experiments] of [...devices({ experiments: [GREETING] }, 200)].entries()) {
    const secret = Buffer.alloc(32);
    secret.writeUInt32BE(n);
    const tag = createHmac("sha256", secret).update("fedloop/1 experiment greeting 1").digest();
    const draw = Number((tag.readBigUInt64BE(0) * 100n) >> 64n);
    const arm = draw < 50 ? "plain" : draw < 80 ? "warm" : "funny";
    t.same(experiments.assign("greeting"), { type: "arm", arm });
    t.same(experiments.assign("greeting"), { type: "arm", arm }, "each time");
  }
});

t.test("arms follow their weights, and experiments are independent", async (t) => {
  const other = { ...GREETING, id: "colour", arms: GREETING.arms.slice(0, 2).map((arm) => ({ ...arm, weight: 1 })) };
  const cells = Array.from({ length: 6 }, () => 0);
  for (const experiments of devices({ experiments: [GREETING, other] })) {
    const [a, b] = [experiments.assign("greeting"), experiments.assign("colour")];
    if (a.type !== "arm" || b.type !== "arm") throw new Error("expected arms");
    const cell = ["plain", "warm", "funny"].indexOf(a.arm) * 2 + ["plain", "warm"].indexOf(b.arm);
    cells[cell] = (cells[cell] ?? 0) + 1;
  }
  // 5 degrees of freedom: above 30 by chance once in 70 000 choices of the secrets, which are fixed here.
  t.ok(chiSquared(cells, [50, 50, 30, 30, 20, 20]) < 30, cells.join(" "));
});

t.test("another version assigns anew", async (t) => {
  let moved = 0;
  const again = [...devices({ experiments: [{ ...GREETING, version: 2 }] }, 1_000)];
  for (const [n, before] of [...devices({ experiments: [GREETING] }, 1_000)].entries()) {
    const [a, b] = [before.assign("greeting"), again[n]?.assign("greeting")];
    if (JSON.stringify(a) !== JSON.stringify(b)) moved += 1;
  }
  // Independent draws differ with probability 1 − (.25 + .09 + .04) = .62; ten standard deviations are 153.
  t.ok(Math.abs(moved - 620) < 153, `${moved} moved`);
});

t.test("experiments of one layer exclude one another; a holdout is in none", async (t) => {
  const part = (id: string, from: number, to: number): ExperimentDefinition => ({
    ...GREETING,
    id,
    layer: { id: "messages", from, to },
  });
  const definition = {
    experiments: [part("a", 0, 4_000), part("b", 4_000, 9_000), { ...GREETING, id: "c" }],
    holdout: { id: "2026", buckets: 500 },
  };
  const counts = { a: 0, b: 0, neither: 0, held: 0 };
  let wrong = 0;
  for (const experiments of devices(definition)) {
    const [a, b, c] = ["a", "b", "c"].map((id) => experiments.assign(id).type);
    if (a === "holdout") {
      if (b !== "holdout" || c !== "holdout") wrong += 1;
      counts.held += 1;
      continue;
    }
    if (c !== "arm" || (a === "arm" && b === "arm")) wrong += 1;
    counts[a === "arm" ? "a" : b === "arm" ? "b" : "neither"] += 1;
  }
  t.equal(wrong, 0);
  // 1 and 2 degrees of freedom: by chance once in 10^5.
  t.ok(chiSquared([counts.held, DEVICES - counts.held], [500, LAYER_BUCKETS - 500]) < 20, `${counts.held} held out`);
  t.ok(chiSquared([counts.a, counts.b, counts.neither], [40, 50, 10]) < 25, JSON.stringify(counts));
});

t.test("definitions that contradict themselves are refused with the reason", async (t) => {
  const secret = new Uint8Array(32);
  const layer = (from: number, to: number): object => ({ id: "l", from, to });
  const table: readonly [string, unknown, RegExp][] = [
    ["one arm", [{ ...GREETING, arms: [{ name: "a", weight: 1 }] }], /arms/],
    ["no weight", [{ ...GREETING, arms: GREETING.arms.map((arm) => ({ ...arm, weight: 0 })) }], /above 0/],
    ["half a weight", [{ ...GREETING, arms: GREETING.arms.map((arm) => ({ ...arm, weight: 0.5 })) }], /weight/],
    ["arms of one name", [{ ...GREETING, arms: [GREETING.arms[0], GREETING.arms[0]] }], /one name/],
    ["outcomes of one name", [{ ...GREETING, outcomes: ["x", "x"] }], /one name/],
    ["no outcomes", [{ ...GREETING, outcomes: [] }], /outcomes/],
    ["one id", [GREETING, GREETING], /different ids/],
    ["an empty part", [{ ...GREETING, layer: layer(5, 5) }], /from below to/],
    ["a part past the end", [{ ...GREETING, layer: layer(0, 10_001) }], /layer/],
    [
      "an overlap",
      [
        { ...GREETING, layer: layer(0, 100) },
        { ...GREETING, id: "b", layer: layer(99, 200) },
      ],
      /overlap/,
    ],
    ["an unknown key", [{ ...GREETING, audience: "rich" }], /experiments › 0/],
    ["version 0", [{ ...GREETING, version: 0 }], /version/],
  ];
  for (const [name, experiments, message] of table) {
    const definition = { experiments } as ExperimentsDefinition;
    t.throws(() => new Experiments(definition, secret), { code: "BAD_EXPERIMENT", message }, name);
  }
  t.throws(() => new Experiments({ experiments: [] }, new Uint8Array(16)), { code: "BAD_OPTION" });
  t.throws(() => new Experiments({ experiments: [] }, secret).assign("x"), { code: "BAD_EXPERIMENT" });
});

t.test(
  "a device's counts are zeros and ones within the norm that bounds them, and sums read back by name",
  async (t) => {
    const layout = armCountsLayout(GREETING);
    const sums = new Float64Array(armCountsLength(layout));
    for (const [n, experiments] of [...devices({ experiments: [GREETING] }, 300)].entries()) {
      const outcomes = new Set(n % 3 === 0 ? ["opened", "returned"] : n % 3 === 1 ? ["opened"] : []);
      const vector = armCountsVector(layout, experiments.assign("greeting"), outcomes);
      t.ok(Math.hypot(...vector) <= armCountsNormBound(layout));
      for (const [i, each] of vector.entries()) sums[i] = (sums[i] ?? 0) + each;
    }
    const arms = readArmCounts(layout, sums);
    const names = arms.map(({ arm }) => arm);
    t.same(names, ["plain", "warm", "funny"]);
    const total = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);
    t.equal(total(arms.map(({ assigned }) => assigned)), 300);
    t.equal(total(arms.map(({ outcomes }) => outcomes.opened ?? 0)), 200);
    t.same([...armCountsVector(layout, { type: "holdout" }, new Set(["opened"]))], [...sums].fill(0));
    t.throws(() => armCountsVector(layout, { type: "arm", arm: "rude" }, new Set()), { code: "BAD_EXPERIMENT" });
    t.throws(() => armCountsVector(layout, { type: "arm", arm: "warm" }, new Set(["x"])), { code: "BAD_EXPERIMENT" });
    t.throws(() => readArmCounts(layout, [1]), { code: "BAD_EXPERIMENT" });
  },
);

t.test("outcomes are kept once each, for the version they happened under, and only by who takes part", async (t) => {
  const store = memoryStore();
  const secret = await experimentSecret(store, systemRandom());
  t.same(await experimentSecret(store, systemRandom()), secret, "the secret stays");
  const experiments = new Experiments({ experiments: [GREETING] }, secret);
  const log = new OutcomeLog(experiments, store);
  await log.note("greeting", "opened");
  await log.note("greeting", "opened");
  const assignment = experiments.assign("greeting");
  if (assignment.type !== "arm") throw new Error("expected an arm");
  t.same(await log.rows("greeting"), [{ opened: 1, returned: 0, arm: assignment.arm }]);
  const counted = (await log.vector("greeting")).reduce((total, each) => total + each, 0);
  t.equal(counted, 2);
  await t.rejects(log.note("greeting", "bought"), { code: "BAD_EXPERIMENT" });
  const next = new OutcomeLog(new Experiments({ experiments: [{ ...GREETING, version: 2 }] }, secret), store);
  t.equal((await next.of("greeting")).size, 0);
  const heldOut = { experiments: [GREETING], holdout: { id: "all", buckets: LAYER_BUCKETS } };
  const held = new OutcomeLog(new Experiments(heldOut, secret), memoryStore());
  await held.note("greeting", "opened");
  t.equal((await held.of("greeting")).size, 0);
  t.same(await held.rows("greeting"), []);
  await log.erase();
  t.equal((await log.of("greeting")).size, 0);
});
