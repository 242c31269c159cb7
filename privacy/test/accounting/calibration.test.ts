import t from "tap";
import { type DpEvent, epsilonOf, noiseMultiplierFor } from "../../src/index.js";

const sampled =
  (samplingProbability: number, count: number) =>
  (noiseMultiplier: number): DpEvent => ({
    type: "SelfComposed",
    count,
    event: { type: "PoissonSampled", samplingProbability, event: { type: "Gaussian", noiseMultiplier } },
  });

t.test("the noise multiplier meets the target and nothing smaller does", async (t) => {
  for (const [epsilon, delta, event] of [
    [1, 1e-5, sampled(0.01, 1000)],
    [8, 1e-6, sampled(0.1, 50)],
    [0.05, 1e-5, sampled(0.5, 10)],
    [200, 1e-5, (noiseMultiplier: number): DpEvent => ({ type: "Gaussian", noiseMultiplier })],
    [3, 1e-5, (noiseMultiplier: number): DpEvent => ({ type: "Laplace", noiseMultiplier })],
  ] as const) {
    const noise = noiseMultiplierFor({ epsilon, delta, event, accountant: "rdp" });
    t.ok(epsilonOf(event(noise), delta, "rdp").epsilon <= epsilon, `${noise} meets ${epsilon}`);
    t.ok(epsilonOf(event(noise * (1 - 2e-7)), delta, "rdp").epsilon > epsilon, `${noise} is the smallest`);
  }
});

t.test("targets out of reach, and hostile ones, are refused", async (t) => {
  const event = (noiseMultiplier: number): DpEvent => ({
    type: "Composed",
    events: [
      { type: "Gaussian", noiseMultiplier },
      { type: "EpsilonDelta", epsilon: 5, delta: 0 },
    ],
  });
  t.throws(() => noiseMultiplierFor({ epsilon: 1, delta: 1e-5, event, accountant: "rdp" }), {
    code: "TARGET_UNREACHABLE",
  });
  for (const epsilon of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => noiseMultiplierFor({ epsilon, delta: 1e-5, event, accountant: "rdp" }), {
      code: "INVALID_PARAMETER",
    });
  }
  t.throws(() => noiseMultiplierFor({ epsilon: 1, delta: 1e-13, event, accountant: "rdp" }), {
    code: "DELTA_TOO_SMALL",
  });
});

t.test("an event that costs nothing however little noise it has needs the smallest", async (t) => {
  const noise = noiseMultiplierFor({ epsilon: 1, delta: 1e-5, event: () => ({ type: "NoOp" }), accountant: "rdp" });
  t.ok(noise < 1e-5);
});
