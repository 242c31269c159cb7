import t from "tap";
import { randomizedResponseRdp } from "../../src/accounting/rdp/mechanisms.js";
import { sampledGaussianRdp } from "../../src/accounting/rdp/sampledGaussian.js";
import {
  accountantNamed,
  type DpEvent,
  epsilonOf,
  type NeighbouringRelation,
  RDP_ORDERS,
  rdpAccountant,
} from "../../src/index.js";
import { gridCells, sharedVectors } from "./sharedVectors.js";

const gaussian = (noiseMultiplier: number, count: number): DpEvent => ({
  type: "SelfComposed",
  count,
  event: { type: "Gaussian", noiseMultiplier },
});
const sampled = (noiseMultiplier: number, samplingProbability: number, count: number): DpEvent => ({
  type: "SelfComposed",
  count,
  event: { type: "PoissonSampled", samplingProbability, event: { type: "Gaussian", noiseMultiplier } },
});

/** [source, event, δ, ε, relation] */
const REFERENCE: readonly (readonly [string, DpEvent, number, number, NeighbouringRelation?])[] = [
  ["tensorflow/privacy compute_dp_sgd_privacy_test", sampled(1.3, 0.0025, 6000), 1e-5, 0.7242234026109595],
  ["tensorflow/privacy compute_dp_sgd_privacy_test", sampled(1, 0.001, 30_000), 1e-7, 1.4154988495444842],
  ["tensorflow/privacy compute_dp_sgd_privacy_test", gaussian(0.35, 2), 1e-5, 26.2880374],
  ["tensorflow/privacy compute_dp_sgd_privacy_test", sampled(0.35, 0.01, 120), 1e-5, 22.6248601],
  ["dp_accounting 0.6.0", sampled(1.5, 0.04, 2250), 1e-5, 7.329334702381698],
  ["dp_accounting 0.6.0", sampled(1, 0.01, 1000), 1e-5, 2.101366525420273],
  ["dp_accounting 0.6.0", sampled(1.1, 0.01, 1000), 1e-5, 1.7117701662429012],
  ["dp_accounting 0.6.0", sampled(2, 0.05, 1000), 1e-6, 4.475501458196101],
  ["dp_accounting 0.6.0", sampled(4, 0.25, 100), 1e-6, 3.2807537454505225],
  ["dp_accounting 0.6.0", sampled(0.5, 0.001, 100), 1e-5, 3.5981250152851576],
  ["dp_accounting 0.6.0", sampled(2, 0.001, 10_000), 1e-6, 0.24471730638391861],
  ["dp_accounting 0.6.0", sampled(0.5, 0.1, 10_000), 1e-5, 2231.298932385248],
  ["dp_accounting 0.6.0", sampled(4, 0.1, 10_000), 1e-5, 14.510300271081888],
  ["dp_accounting 0.6.0", gaussian(0.5, 1), 1e-5, 10.725509696418232],
  ["dp_accounting 0.6.0", gaussian(1, 1), 1e-6, 5.2215396311544175],
  ["dp_accounting 0.6.0", gaussian(2, 1), 1e-5, 2.165715659029443],
  ["dp_accounting 0.6.0", gaussian(10, 1), 1e-6, 0.4299515190917843],
  ["dp_accounting 0.6.0", gaussian(4, 10_000), 1e-5, 429.8612600716533],
  ["dp_accounting 0.6.0", { type: "Laplace", noiseMultiplier: 1 }, 1e-6, 1.0050751401882467],
  [
    "dp_accounting 0.6.0",
    { type: "SelfComposed", count: 20, event: { type: "Laplace", noiseMultiplier: 5 } },
    1e-5,
    3.5297917379016566,
  ],
  ["dp_accounting 0.6.0", { type: "DiscreteGaussian", sigma: 4, sensitivity: 1 }, 1e-6, 1.1431687205814116],
  ["dp_accounting 0.6.0", { type: "DiscreteGaussian", sigma: 8, sensitivity: 2 }, 1e-6, 1.1431687205814116],
  ["dp_accounting 0.6.0", { type: "ZCdp", rho: 0.1, xi: 0 }, 1e-5, 1.9142498748403742],
  [
    "dp_accounting 0.6.0",
    {
      type: "Composed",
      events: [
        { type: "Gaussian", noiseMultiplier: 2 },
        { type: "EpsilonDelta", epsilon: 0.5, delta: 1e-7 },
      ],
    },
    1e-5,
    2.6111321840725976,
  ],
  [
    "dp_accounting 0.6.0",
    { type: "SelfComposed", count: 10, event: { type: "EpsilonDelta", epsilon: 0.1, delta: 1e-8 } },
    1e-6,
    0.9995561300122779,
  ],
  [
    "dp_accounting 0.6.0, composed one by one: its SelfComposed drops the count",
    { type: "SelfComposed", count: 10, event: { type: "Exponential", epsilon: 1 } },
    1e-5,
    8.062421837242937,
  ],
];

t.test("published and computed values, within 1e-6", async (t) => {
  for (const [source, event, delta, expected, relation] of REFERENCE) {
    const { epsilon } = epsilonOf(event, delta, "rdp", relation);
    t.ok(Math.abs(epsilon / expected - 1) < 1e-6, `${source}: ${epsilon} for ${expected}`);
  }
});

t.test("every Rényi value of the shared grid, within 1e-6", async (t) => {
  const json = sharedVectors("accounting-grid.json");
  if (json === undefined) {
    t.comment("shared vectors are absent");
    return;
  }
  const cells = gridCells(json, "rdp");
  t.ok(cells.length > 40);
  for (const cell of cells) {
    const accountant = accountantNamed("rdp", cell.relation);
    accountant.compose(cell.event);
    for (const [delta, expected] of cell.epsilons) {
      const { epsilon } = accountant.epsilon(delta);
      t.ok(Math.abs(epsilon / expected - 1) < 1e-6, `${cell.id} at ${delta}: ${epsilon} for ${expected}`);
    }
  }
});

t.test("the curve of the sampled Gaussian at integer and fractional orders", async (t) => {
  // google/differential-privacy, rdp_privacy_accountant_test.py, test_compute_rdp_poisson_sampled_gaussian
  const expected: readonly (readonly [number, number])[] = [
    [1.5, 0.000670579741],
    [2.5, 0.0010854871],
    [5, 0.00218075656],
    [50, 0.0238460375],
    [100, 167.416308],
  ];
  for (const [order, value] of expected) {
    t.ok(Math.abs((50 * sampledGaussianRdp(0.01, 2.5, order)) / value - 1) < 1e-6, `${order}`);
  }
});

t.test("the curve of randomized response, between answers and against a blank", async (t) => {
  // google/differential-privacy, rdp_privacy_accountant_test.py, test_compute_rdp_randomized_response_*
  const orders = [1.5, 2.5, 5, 50, 100];
  for (const [relation, expected] of [
    [
      "replace-special",
      [1.5030552584146897, 1.7801182478869704, 1.9091969256833639, 1.9814516798923105, 1.9846954517418232],
    ],
    ["replace-one", [2.6946320226546314, 2.983865364028855, 3.11316970070507, 3.1854244842182466, 3.1886682560677593]],
  ] as const) {
    orders.forEach((order, i) => {
      const value = randomizedResponseRdp(0.3, 10, order, relation);
      t.ok(Math.abs(value / (expected[i] ?? 0) - 1) < 1e-9, `${relation} ${order}: ${value}`);
    });
  }
});

t.test("sampling without replacement, and trees", async (t) => {
  const withoutReplacement = (
    sourceSize: number,
    sampleSize: number,
    noiseMultiplier: number,
    count: number,
  ): DpEvent => ({
    type: "SelfComposed",
    count,
    event: { type: "SampledWithoutReplacement", sourceSize, sampleSize, event: { type: "Gaussian", noiseMultiplier } },
  });
  // dp_accounting 0.6.0: Wang, Balle, Kasiviswanathan (2019), Theorem 27; trees with the same records in each restart
  for (const [event, delta, expected] of [
    [withoutReplacement(1000, 10, 1, 100), 1e-5, 1.482525669114427],
    [withoutReplacement(60_000, 150, 1.3, 6000), 1e-5, 1.4792624695267178],
    [withoutReplacement(10_000, 100, 2, 1000), 1e-6, 1.629192245961691],
    [withoutReplacement(1000, 100, 1, 1000), 1e-5, 63.06592483164796],
    [
      {
        type: "SelfComposed",
        count: 4,
        event: { type: "SingleEpochTreeAggregation", noiseMultiplier: 8.83, stepCounts: [400] },
      },
      1e-6,
      3.3894249011172937,
    ],
    [{ type: "SingleEpochTreeAggregation", noiseMultiplier: 5, stepCounts: [64, 32] }, 1e-5, 2.306311399595119],
  ] as const satisfies readonly (readonly [DpEvent, number, number])[]) {
    const { epsilon } = epsilonOf(event, delta, "rdp");
    t.ok(Math.abs(epsilon / expected - 1) < 1e-6, `${epsilon} for ${expected}`);
  }
});

t.test("signed fractional orders are exact, absolute ones an upper bound", async (t) => {
  // mpmath integration gives 6.50071e-4 for this curve at order 1.5 (50 steps).
  const signed = 50 * sampledGaussianRdp(0.01, 2.5, 1.5, "signed");
  t.ok(Math.abs(signed / 6.50071e-4 - 1) < 1e-5, `${signed}`);
  for (let order = 1.1; order < 9; order += 0.1) {
    for (const noise of [0.7, 1.5, 4]) {
      const exact = sampledGaussianRdp(0.04, noise, order, "signed");
      t.ok(sampledGaussianRdp(0.04, noise, order, "absolute") >= exact * (1 - 1e-9));
    }
  }
  // pytorch/opacus accountants_test.py::test_rdp_accountant: orders 1.1 to 10.9 and 12 to 63
  const orders = RDP_ORDERS.filter((order) => order < 11 || (order >= 12 && order <= 63));
  const accountant = rdpAccountant({ orders, fractionalOrders: "signed" });
  accountant.compose(sampled(1.5, 0.04, 2250));
  const { epsilon, optimalOrder } = accountant.epsilon(1e-5);
  t.ok(Math.abs(epsilon / 7.32911117143 - 1) < 1e-6, `${epsilon}`);
  t.equal(optimalOrder, 3.9);
});

t.test("fine orders reproduce published Gaussian values", async (t) => {
  // google/differential-privacy, rdp_privacy_accountant_test.py, test_compute_epsilon_delta_gaussian
  const accountant = rdpAccountant({ orders: Array.from({ length: 98_989 }, (_, i) => (1011 + i) / 1000) });
  accountant.compose({ type: "Gaussian", noiseMultiplier: 4.530877117 });
  t.ok(Math.abs(accountant.epsilon(1e-6).epsilon - 1) < 1e-7);
  t.ok(Math.abs(accountant.delta(1) / 1e-6 - 1) < 1e-6);
});

t.test("a constant curve converts as published", async (t) => {
  // google/differential-privacy, rdp_privacy_accountant_test.py, test_compute_epsilon_delta_pure_dp
  const accountant = rdpAccountant({ orders: Array.from({ length: 31 }, (_, i) => i + 2) });
  accountant.compose({ type: "ZCdp", rho: 0, xi: 1.1 });
  const { epsilon, optimalOrder } = accountant.epsilon(1e-5);
  t.ok(Math.abs(epsilon - 1.32783806176) < 1e-7);
  t.equal(optimalOrder, 32);
});

t.test("composition in any grouping gives the same answer", async (t) => {
  const part = sampled(1.2, 0.02, 10);
  const whole = epsilonOf(sampled(1.2, 0.02, 100), 1e-5, "rdp").epsilon;
  const grouped = epsilonOf({ type: "SelfComposed", count: 10, event: part }, 1e-5, "rdp").epsilon;
  const listed = epsilonOf({ type: "Composed", events: Array(10).fill(part) }, 1e-5, "rdp").epsilon;
  const accountant = rdpAccountant();
  for (let i = 0; i < 5; i++) {
    accountant.compose(part, 2);
  }
  for (const epsilon of [grouped, listed, accountant.epsilon(1e-5).epsilon]) {
    t.ok(Math.abs(epsilon / whole - 1) < 1e-12);
  }
});

t.test("delta and epsilon are inverse to each other", async (t) => {
  for (const event of [gaussian(0.8, 3), sampled(1.1, 0.01, 500)]) {
    const accountant = rdpAccountant();
    accountant.compose(event);
    for (const delta of [1e-9, 1e-6, 1e-3]) {
      const { epsilon } = accountant.epsilon(delta);
      t.ok(Math.abs(Math.log(accountant.delta(epsilon) / delta)) < 1e-6, `${delta}`);
    }
  }
});

t.test("a fork is independent", async (t) => {
  const accountant = rdpAccountant();
  accountant.compose(gaussian(3, 1));
  const before = accountant.epsilon(1e-5).epsilon;
  accountant.fork().compose(gaussian(3, 10));
  t.equal(accountant.epsilon(1e-5).epsilon, before);
});

t.test("what cannot be accounted is refused, and nothing is counted", async (t) => {
  const accountant = rdpAccountant();
  const poisson: DpEvent = {
    type: "PoissonSampled",
    samplingProbability: 0.1,
    event: { type: "EpsilonDelta", epsilon: 1, delta: 1e-6 },
  };
  t.throws(() => accountant.compose({ type: "Composed", events: [gaussian(1, 1), poisson] }), {
    code: "UNSUPPORTED_EVENT",
  });
  t.throws(() => accountant.compose({ type: "RandomizedResponse", noiseParameter: 0.5, buckets: 2 }), {
    code: "UNSUPPORTED_EVENT",
  });
  t.equal(accountant.epsilon(1e-5).epsilon, 0);
  for (const count of [-1, 0.5, Number.NaN]) {
    t.throws(() => accountant.compose(gaussian(1, 1), count), { code: "INVALID_PARAMETER" });
  }
  for (const delta of [0, 1e-13]) {
    t.throws(() => accountant.epsilon(delta), { code: "DELTA_TOO_SMALL" });
  }
  for (const delta of [-1, 1, Number.NaN]) {
    t.throws(() => accountant.epsilon(delta), { code: "INVALID_PARAMETER" });
  }
  for (const epsilon of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => accountant.delta(epsilon), { code: "INVALID_PARAMETER" });
  }
  for (const orders of [[], [1], [2, Number.NaN], [0.5]]) {
    t.throws(() => rdpAccountant({ orders }), { code: "INVALID_PARAMETER" });
  }
});
