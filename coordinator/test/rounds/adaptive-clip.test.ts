import { updateNoiseMultiplier } from "@fedloop/privacy";
import fc from "fast-check";
import t from "tap";
import { clipNormAfter, reportShare, wholeNorm, withClipNorm } from "../../src/rounds/adaptive-clip.js";
import { buildSchedule } from "../../src/rounds/build-schedule.js";
import { planBody } from "../../src/rounds/plan-body.js";
import type { RoundSpec } from "../../src/rounds/round-spec.js";
import { testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

const SETTINGS = { targetQuantile: 0.5, learningRate: 0.2, expectedCohort: 100 };

t.test("one noise on update and report costs what Andrew et al. split into two", async () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.1, max: 50, noNaN: true }),
      fc.double({ min: 1.01, max: 100, noNaN: true }),
      (z, by) => {
        const countNoiseStdDev = (by * z) / 2;
        const share = reportShare(z, countNoiseStdDev);
        const noise = z * wholeNorm({ clipNorm: 1, reportShare: share });
        const onUpdates = updateNoiseMultiplier(z, { ...SETTINGS, countNoiseStdDev });
        // On the sum of ±1 the noise is 2σ_b, in units of the report's magnitude.
        return Math.abs(noise / onUpdates - 1) < 1e-6 && Math.abs(noise / share / (2 * countNoiseStdDev) - 1) < 1e-6;
      },
    ),
    { seed: 31, numRuns: 300 },
  );
});

async function adaptiveSpec(
  test: Parameters<typeof temporaryFolder>[0],
): Promise<{ spec: RoundSpec; body: ReturnType<typeof planBody> }> {
  const { plan } = await testPlan(temporaryFolder(test), {
    policy: { epsilon: 1000, delta: 1e-5 },
    cohort: { target: 100, minimum: 50 },
    privacy: { mechanism: "central-discrete-gaussian", clipNorm: 2, noiseMultiplier: 1, adaptiveClipping: {} },
  });
  const schedule = buildSchedule(plan, 1);
  const [spec] = schedule.rounds;
  if (spec === undefined) throw new Error("expected a round");
  const body = planBody({
    schedule,
    spec,
    round: 1,
    eligible: { treeSize: 1, root: "r", count: 0 },
    model: { sha256: new Uint8Array(32), bytes: 12 },
    epsilonAfter: "1",
    staleModels: [],
    position: null,
  });
  return { spec, body };
}

t.test("another clip changes what an integer step stands for, and nothing that costs", async (t) => {
  const { spec } = await adaptiveSpec(t);
  const wider = withClipNorm(spec, 6);
  t.same(wider.event, spec.event);
  t.equal(wider.adaptive?.clipNorm, 6);
  t.ok(Math.abs(wider.clipNorm / spec.clipNorm - 3) < 1e-12);
  t.ok(Math.abs(wider.format.quantisation.granularity / spec.format.quantisation.granularity - 3) < 1e-12);
  t.same(wider.mechanism?.quantisation, wider.format.quantisation, "noise and updates are on the same grid");
  t.equal(wider.format.quantisation.integerNormBound, spec.format.quantisation.integerNormBound);
});

t.test("the next clip follows from the plan and the released reports", async (t) => {
  const { body } = await adaptiveSpec(t);
  const report = Number(body.privacy.adaptiveClipping?.report);
  const next = (sum: number): number => clipNormAfter(body, sum * report) ?? Number.NaN;
  const near = (value: number, due: number): boolean => Math.abs(value / due - 1) < 1e-9;
  t.ok(near(next(0), 2), "half were clipped, which is the target");
  t.ok(near(next(100), 2 * Math.exp(-0.1)), "nobody was: it falls");
  t.ok(near(next(-100), 2 * Math.exp(0.1)), "all were: it rises");
  t.ok(near(next(-1000), 2 * Math.exp(0.1)), "noise moves it no further than that");
  const { adaptiveClipping: _, ...privacy } = body.privacy;
  t.equal(clipNormAfter({ ...body, privacy }, 5), undefined);
});
