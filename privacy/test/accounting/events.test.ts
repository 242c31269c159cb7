import fc from "fast-check";
import t from "tap";
import { type DpEvent, decimalDpEvent, parseDecimalDpEvent, parseDpEvent } from "../../src/index.js";

const participation = { steps: 100, minSeparation: 50, maxParticipations: 2 };

/** One of each kind. */
const EVENTS: readonly DpEvent[] = [
  { type: "NoOp" },
  { type: "NonPrivate" },
  { type: "Gaussian", noiseMultiplier: 1.1 },
  { type: "Laplace", noiseMultiplier: 0.5 },
  { type: "DiscreteGaussian", sigma: 131_071.25, sensitivity: 131_071 },
  { type: "DiscreteGaussian", sigma: 4, sensitivity: 1, dimension: 10 },
  { type: "DiscreteLaplace", noiseParameter: 0.5, sensitivity: 2 },
  { type: "Skellam", noiseStdDev: 1000, l1Sensitivity: 50, l2Sensitivity: 10 },
  {
    type: "DistributedDiscreteGaussian",
    noiseStdDev: 100,
    devices: 20,
    l1Sensitivity: 50,
    l2Sensitivity: 10,
    dimension: 1024,
  },
  { type: "MixtureOfGaussians", standardDeviation: 2, sensitivities: [0, 1.5], probabilities: [0.25, 0.75] },
  { type: "EpsilonDelta", epsilon: 0.5, delta: 1e-7 },
  { type: "RandomizedResponse", noiseParameter: 0.5, buckets: 4 },
  { type: "Exponential", epsilon: 1 },
  { type: "ZCdp", rho: 0.1, xi: 0 },
  { type: "PoissonSampled", samplingProbability: 0.01, event: { type: "Gaussian", noiseMultiplier: 1 } },
  {
    type: "SampledWithoutReplacement",
    sourceSize: 1000,
    sampleSize: 10,
    event: { type: "Gaussian", noiseMultiplier: 1 },
  },
  { type: "Composed", events: [{ type: "NoOp" }, { type: "Laplace", noiseMultiplier: 1e-7 }] },
  { type: "SelfComposed", count: 1000, event: { type: "Gaussian", noiseMultiplier: 1 } },
  { type: "SingleEpochTreeAggregation", noiseMultiplier: 2, stepCounts: [64, 32] },
  { type: "TreeAggregation", noiseMultiplier: 2, ...participation },
  {
    type: "BltMatrixFactorization",
    noiseMultiplier: 1,
    bufferDecay: [0.99, 0.5],
    outputScale: [0.1, 0.2],
    ...participation,
  },
  { type: "BandedMatrixFactorization", noiseMultiplier: 1, coefficients: [1, 0.5, -0.25], ...participation },
];

t.test("every kind of event survives JSON, as numbers and as decimal strings", async (t) => {
  for (const event of EVENTS) {
    t.same(parseDpEvent(JSON.parse(JSON.stringify(event))), event, event.type);
    const decimal = decimalDpEvent(event);
    t.same(parseDecimalDpEvent(JSON.parse(JSON.stringify(decimal))), event, event.type);
  }
});

t.test("decimal form holds no number but integers", async (t) => {
  t.same(decimalDpEvent({ type: "SelfComposed", count: 3, event: { type: "Gaussian", noiseMultiplier: 1e-7 } }), {
    type: "SelfComposed",
    count: 3,
    event: { type: "Gaussian", noiseMultiplier: "1e-7" },
  });
  fc.assert(
    fc.property(fc.double({ min: Number.MIN_VALUE, noNaN: true, noDefaultInfinity: true }), (noiseMultiplier) => {
      const event: DpEvent = { type: "Gaussian", noiseMultiplier };
      const parsed = parseDecimalDpEvent(decimalDpEvent(event));
      return parsed.type === "Gaussian" && Object.is(parsed.noiseMultiplier, noiseMultiplier);
    }),
    { seed: 81 },
  );
});

t.test("an unknown kind fails by name, also inside a composition", async (t) => {
  for (const json of [
    {},
    { type: "Gauss", noiseMultiplier: 1 },
    { type: "Composed", events: [{ type: "NoOp" }, { type: "Mystery" }] },
    { type: "SelfComposed", count: 1, event: { type: "__proto__" } },
  ]) {
    t.throws(() => parseDpEvent(json), { code: "UNKNOWN_EVENT" }, JSON.stringify(json));
  }
});

t.test("hostile events are refused", async (t) => {
  const gaussian = { type: "Gaussian", noiseMultiplier: 1 };
  let deep: unknown = gaussian;
  for (let i = 0; i < 10_000; i++) {
    deep = { type: "SelfComposed", count: 1, event: deep };
  }
  for (const json of [
    null,
    undefined,
    1,
    "Gaussian",
    [],
    { type: "Gaussian" },
    { type: "Gaussian", noiseMultiplier: 0 },
    { type: "Gaussian", noiseMultiplier: -1 },
    { type: "Gaussian", noiseMultiplier: Number.NaN },
    { type: "Gaussian", noiseMultiplier: Number.POSITIVE_INFINITY },
    { type: "Gaussian", noiseMultiplier: "1" },
    { type: "Gaussian", noiseMultiplier: 1, extra: 1 },
    { type: "Gaussian", noiseMultiplier: 1, event: gaussian },
    { type: "PoissonSampled", samplingProbability: 1.01, event: gaussian },
    { type: "PoissonSampled", samplingProbability: -0.01, event: gaussian },
    { type: "PoissonSampled", samplingProbability: 0.5 },
    { type: "SelfComposed", count: -1, event: gaussian },
    { type: "SelfComposed", count: 1.5, event: gaussian },
    { type: "SelfComposed", count: 2 ** 53, event: gaussian },
    { type: "Composed", events: gaussian },
    { type: "Composed", events: Array(200_000).fill(gaussian) },
    { type: "EpsilonDelta", epsilon: 1, delta: 1.5 },
    { type: "EpsilonDelta", epsilon: -1, delta: 0 },
    { type: "RandomizedResponse", noiseParameter: 2, buckets: 2 },
    { type: "RandomizedResponse", noiseParameter: 0.5, buckets: 0 },
    { type: "SampledWithoutReplacement", sourceSize: 10, sampleSize: 11, event: gaussian },
    { type: "SingleEpochTreeAggregation", noiseMultiplier: 1, stepCounts: [] },
    { type: "MixtureOfGaussians", standardDeviation: 1, sensitivities: [1], probabilities: [0.5] },
    { type: "MixtureOfGaussians", standardDeviation: 1, sensitivities: [1, 2], probabilities: [1] },
    {
      type: "BltMatrixFactorization",
      noiseMultiplier: 1,
      bufferDecay: [0.9],
      outputScale: [0.1, 0.2],
      ...participation,
    },
    deep,
  ]) {
    t.throws(() => parseDpEvent(json), { name: "PrivacyError" });
  }
});

t.test("decimal strings have one spelling", async (t) => {
  for (const text of ["1.0", "01", "+1", "1e0", " 1", "0x1", "", "NaN", "Infinity", "1_0", ".5"]) {
    t.throws(() => parseDecimalDpEvent({ type: "Gaussian", noiseMultiplier: text }), { code: "INVALID_EVENT" }, text);
  }
  for (const other of [1, null, ["1.5"], { toString: -1 }, { valueOf: "x" }]) {
    t.throws(() => parseDecimalDpEvent({ type: "Gaussian", noiseMultiplier: other }), { code: "INVALID_EVENT" });
  }
});

t.test("an error names the place, in both notations", async (t) => {
  const within = (event: unknown): unknown => ({ type: "Composed", events: [{ type: "NoOp" }, event] });
  const cases: readonly (readonly [string, (json: unknown) => unknown, unknown])[] = [
    ["events.1.noiseMultiplier: must be above 0.", parseDpEvent, { type: "Gaussian", noiseMultiplier: 0 }],
    ["events.1.noiseMultiplier: must be above 0.", parseDecimalDpEvent, { type: "Gaussian", noiseMultiplier: "0" }],
    ["events.1.sigma: must be a decimal string", parseDecimalDpEvent, { type: "DiscreteGaussian", sigma: 2 }],
    ["events.1.type names no event", parseDecimalDpEvent, { type: "Gauss" }],
    ["events.1: is not an event.", parseDpEvent, null],
    ["events.1.event.type names no event", parseDpEvent, { type: "SelfComposed", count: 1, event: {} }],
    [
      "events.1.coefficients.0: must be a decimal string",
      parseDecimalDpEvent,
      { type: "BandedMatrixFactorization", coefficients: [1] },
    ],
  ];
  for (const [words, parse, json] of cases) {
    const { message = "" } = t.throws(() => parse(within(json))) as { message?: string };
    t.ok(message.startsWith(words), `${message} begins with ${words}`);
  }
});
