import t from "tap";
import { type DpEvent, epsilonOf, zcdpAccountant, zcdpDelta, zcdpEpsilon } from "../../src/index.js";

t.test("ρ to ε, published and computed values", async (t) => {
  for (const [source, rho, delta, epsilon, tolerance] of [
    ["opendp zCDP_to_approxDP/test.rs", 0.03125, 0.001, 0.6880024554878086, 1e-9],
    ["IBM discrete-gaussian-differential-privacy cdp2adp.py", 0.1, 1e-10, 2.8818280091742428, 1e-8],
    ["IBM discrete-gaussian-differential-privacy cdp2adp.py", 0.5, 1e-10, 6.839329413120849, 1e-8],
    ["IBM discrete-gaussian-differential-privacy cdp2adp.py", 0.81, 1e-10, 8.922207283357817, 1e-8],
  ] as const) {
    const computed = zcdpEpsilon(rho, delta);
    t.ok(Math.abs(computed - epsilon) < tolerance, `${source}: ${computed} for ${epsilon}`);
    t.ok(Math.abs(Math.log(zcdpDelta(rho, computed) / delta)) < 1e-8, "and back");
  }
});

t.test("edges: no release, no noise, and what is certain", async (t) => {
  t.equal(zcdpEpsilon(0, 1e-5), 0);
  t.equal(zcdpDelta(0, 0.5), 0);
  t.equal(zcdpEpsilon(Number.POSITIVE_INFINITY, 1e-5), Number.POSITIVE_INFINITY);
  t.equal(zcdpDelta(Number.POSITIVE_INFINITY, 1), 1);
  t.equal(zcdpDelta(1e6, 1), 1);
  t.ok(zcdpEpsilon(1e-300, 1e-5) < 1e-9);
  t.ok(Math.abs(zcdpEpsilon(0, 1e-5, 0.3) - 0.3) < 1e-3, "ξ alone is about pure ε");
  for (const bad of [-1, Number.NaN]) {
    t.throws(() => zcdpEpsilon(bad, 1e-5), { code: "INVALID_PARAMETER" });
    t.throws(() => zcdpDelta(bad, 1), { code: "INVALID_PARAMETER" });
  }
  t.throws(() => zcdpEpsilon(1, 1e-13), { code: "DELTA_TOO_SMALL" });
});

t.test("mechanisms add up", async (t) => {
  const events: readonly (readonly [DpEvent, number])[] = [
    [{ type: "Gaussian", noiseMultiplier: 2 }, 1 / 8],
    [{ type: "DiscreteGaussian", sigma: 6, sensitivity: 3, dimension: 9 }, 1 / 8],
    [{ type: "Laplace", noiseMultiplier: 4 }, 1 / 32],
    [{ type: "DiscreteLaplace", noiseParameter: 0.1, sensitivity: 3 }, 0.045],
    [{ type: "Exponential", epsilon: 0.4 }, 0.02],
    [{ type: "ZCdp", rho: 0.25, xi: 0 }, 0.25],
    [{ type: "EpsilonDelta", epsilon: 0.2, delta: 0 }, 0.02],
    [{ type: "SelfComposed", count: 3, event: { type: "Gaussian", noiseMultiplier: 2 } }, 3 / 8],
    [{ type: "PoissonSampled", samplingProbability: 1, event: { type: "Gaussian", noiseMultiplier: 2 } }, 1 / 8],
    [{ type: "PoissonSampled", samplingProbability: 0, event: { type: "Gaussian", noiseMultiplier: 2 } }, 0],
    [{ type: "NoOp" }, 0],
  ];
  let total = 0;
  const accountant = zcdpAccountant();
  for (const [event, rho] of events) {
    t.ok(Math.abs(epsilonOf(event, 1e-6, "zcdp").epsilon - zcdpEpsilon(rho, 1e-6)) < 1e-9, event.type);
    accountant.compose(event, 2);
    total += 2 * rho;
  }
  t.ok(Math.abs(accountant.epsilon(1e-6).epsilon - zcdpEpsilon(total, 1e-6)) < 1e-9);
  const fork = accountant.fork();
  fork.compose({ type: "NonPrivate" });
  t.equal(fork.epsilon(1e-6).epsilon, Number.POSITIVE_INFINITY);
  t.equal(fork.delta(1), 1);
  t.ok(Number.isFinite(accountant.epsilon(1e-6).epsilon));
});

t.test("a failure probability is set aside", async (t) => {
  const event: DpEvent = { type: "EpsilonDelta", epsilon: 0.5, delta: 1e-6 };
  t.ok(epsilonOf(event, 1e-5, "zcdp").epsilon >= zcdpEpsilon(0.125, 1e-5));
  t.equal(epsilonOf(event, 9e-7, "zcdp").epsilon, Number.POSITIVE_INFINITY);
});

t.test("it is never below the Rényi accountant on the same curve by more than its grid of orders", async (t) => {
  for (const noiseMultiplier of [0.6, 2, 9]) {
    const event: DpEvent = { type: "Gaussian", noiseMultiplier };
    const zcdp = epsilonOf(event, 1e-6, "zcdp").epsilon;
    const rdp = epsilonOf(event, 1e-6, "rdp").epsilon;
    t.ok(zcdp <= rdp * (1 + 1e-9) && zcdp > rdp * 0.99, `${zcdp} ${rdp}`);
  }
});

t.test("amplification by sampling is not known here", async (t) => {
  const sampled: DpEvent = {
    type: "PoissonSampled",
    samplingProbability: 0.1,
    event: { type: "Gaussian", noiseMultiplier: 1 },
  };
  t.throws(() => epsilonOf(sampled, 1e-5, "zcdp"), { code: "UNSUPPORTED_EVENT" });
});
