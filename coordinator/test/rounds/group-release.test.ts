// That each group's sum gets all the noise that the accounting counts: a participant is in one group, and that one is seen.

import t from "tap";
import { buildSchedule } from "../../src/rounds/build-schedule.js";
import { releaseCollected } from "../../src/rounds/noise.js";
import { scaleOf } from "../../src/rounds/round-work.js";
import { SeededRandom } from "../../src/simulation/seeded-random.js";
import type { GroupSumStrategy } from "../../src/strategies/strategy.js";
import { testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

const LENGTH = 4_000;
const GROUPS = 5;
const TARGET = 4;

t.test("every group's released mean has the noise of a sum by itself", async (t) => {
  const { plan } = await testPlan(temporaryFolder(t), {
    model: { parameters: LENGTH },
    cohort: { target: GROUPS * TARGET, minimum: GROUPS * TARGET, overSelection: 1 },
    policy: { epsilon: 100, delta: 1e-5 },
    privacy: { mechanism: "central-discrete-gaussian", clipNorm: 2, noiseMultiplier: 0.7, bits: 24 },
    secureAggregation: { enabled: true, groupTarget: TARGET, dropoutFraction: 0 },
    strategy: { id: "group-median" },
  });
  const schedule = buildSchedule(plan, 1);
  const spec = schedule.rounds[0];
  if (spec === undefined) throw new Error("expected a round");
  const seen: Float32Array[] = [];
  const strategy: GroupSumStrategy = {
    family: "group-sum",
    id: "observer",
    minimumVectors: 1,
    updateLength: (parameters) => parameters,
    combine: async (vectors) => {
      seen.push(...vectors);
      return vectors[0] ?? new Float32Array(0);
    },
    apply: ({ parameters, state }) => ({ parameters, state }),
  };
  const groups = Array.from({ length: GROUPS }, () => new Float64Array(spec.format.length));
  await releaseCollected(
    { groups },
    { strategy, spec, random: new SeededRandom(11, ["noise"]), run: null, rotationSeed: new Uint8Array(32) },
  );
  t.equal(seen.length, GROUPS);
  // σ = z·C over the group's size; C as the integers have it, a little above 2 for their rounding.
  const wanted = (0.7 * 2) / TARGET;
  for (const mean of seen) {
    const deviation = Math.sqrt(mean.reduce((sum, value) => sum + value * value, 0) / mean.length);
    // The relative error of a deviation from 4 000 values is 1/√8000 = 1.1 %: five of it below, and five and the rounding above.
    // False alarm: 3e-7 for each group.
    t.ok(deviation > wanted * 0.94 && deviation < wanted * 1.1, `${deviation}, expected ${wanted}`);
  }
  const { divisor, noiseStdDev } = scaleOf(spec, strategy);
  t.equal(divisor, 1);
  t.ok(Math.abs(noiseStdDev / wanted - 1) < 0.1, "and the step is told of that noise");
});
