import t from "tap";
import { type AccountantName, type DpEvent, epsilonOf, parseDpEvent } from "../../src/index.js";

const times = (count: number, event: unknown): unknown => ({ type: "SelfComposed", count, event });
const gaussian = (noiseMultiplier: number): unknown => ({ type: "Gaussian", noiseMultiplier });
const sampled = (samplingProbability: number, event: unknown): unknown => ({
  type: "PoissonSampled",
  samplingProbability,
  event,
});

const LIMIT_MS = 2000;
const BILLION = 1_000_000_000;

/** Events at the edges of what parses, and bounds that the answer must respect. */
const EXTREME: readonly (readonly [what: string, json: unknown, least: number, most: number])[] = [
  ["no noise to speak of", gaussian(1e-300), Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ["endless noise", gaussian(1e300), 0, 1e-9],
  ["a billion Gaussians", times(BILLION, gaussian(1)), 4.9e8, 6e8],
  ["a billion sampled Gaussians", times(BILLION, sampled(0.01, gaussian(1))), 5e4, 2e5],
  ["a billion tiny samples", times(BILLION, sampled(1e-6, gaussian(1))), 0, 2],
  ["a billion of next to nothing", times(BILLION, sampled(1e-12, gaussian(1))), 0, 1e-3],
  ["a sample of nearly no one", sampled(1e-300, gaussian(1)), 0, 1e-9],
  ["a sample of nearly no noise", sampled(0.1, gaussian(0.01)), 1000, 1e4],
  ["a sample of no noise", sampled(0.1, gaussian(1e-300)), 1e10, Number.POSITIVE_INFINITY],
  ["as many as there are integers", times(Number.MAX_SAFE_INTEGER, gaussian(1e9)), 0.1, 1],
  ["the same, sampled", times(Number.MAX_SAFE_INTEGER, sampled(0.1, gaussian(1e9))), 0, 1],
  ["Laplace without noise", { type: "Laplace", noiseMultiplier: 1e-300 }, 1e299, Number.POSITIVE_INFINITY],
  ["a billion Laplaces", times(BILLION, { type: "Laplace", noiseMultiplier: 1 }), 3e8, 6e8],
  ["a billion mild Laplaces", times(BILLION, { type: "Laplace", noiseMultiplier: 1e6 }), 0, 1],
  [
    "a billion discrete Laplaces",
    times(BILLION, { type: "DiscreteLaplace", noiseParameter: 1, sensitivity: 1 }),
    3e8,
    6e8,
  ],
  ["a wide discrete Laplace", { type: "DiscreteLaplace", noiseParameter: 0.001, sensitivity: 1_000_000 }, 990, 1010],
  ["a wide discrete Gaussian", { type: "DiscreteGaussian", sigma: 1e7, sensitivity: 1e7 }, 4, 5],
  ["a narrow discrete Gaussian", { type: "DiscreteGaussian", sigma: 0.05, sensitivity: 1 }, 190, 300],
  ["no discrete Gaussian", { type: "DiscreteGaussian", sigma: 1e-300, sensitivity: 1 }, 1e10, Number.POSITIVE_INFINITY],
  [
    "certain failure",
    { type: "EpsilonDelta", epsilon: 1, delta: 1 },
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ],
  ["a billion small losses", times(BILLION, { type: "EpsilonDelta", epsilon: 1e-6, delta: 0 }), 0, 1],
  ["nothing in particular", { type: "Composed", events: [] }, 0, 0],
  ["no times anything", times(0, gaussian(1e-300)), 0, 0],
  ["no protection", { type: "NonPrivate" }, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  [
    "the truth",
    { type: "RandomizedResponse", noiseParameter: 0, buckets: 3 },
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ],
  ["nearly the truth", { type: "RandomizedResponse", noiseParameter: 1e-300, buckets: 3 }, 600, 700],
  ["one answer", { type: "RandomizedResponse", noiseParameter: 0, buckets: 1 }, 0, 0],
  [
    "a narrow mixture",
    { type: "MixtureOfGaussians", standardDeviation: 1e-3, sensitivities: [0, 1, 2], probabilities: [0.2, 0.6, 0.2] },
    1e5,
    1e7,
  ],
  ["no sample", { type: "SampledWithoutReplacement", sourceSize: 10, sampleSize: 0, event: gaussian(1) }, 0, 0],
  [
    "a small sample a billion times",
    times(BILLION, {
      type: "SampledWithoutReplacement",
      sourceSize: 1_000_000_000_000,
      sampleSize: 1,
      event: gaussian(1),
    }),
    0,
    10,
  ],
];

for (const accountant of ["rdp", "pld"] as const satisfies readonly AccountantName[]) {
  t.test(`${accountant}: hostile events are answered, rightly, within two seconds`, async (t) => {
    for (const [what, json, least, most] of EXTREME) {
      const event: DpEvent = parseDpEvent(json);
      // Processor time: what else the machine does is not the accountant's fault.
      const start = process.cpuUsage();
      const { epsilon } = epsilonOf(event, 1e-5, accountant);
      const took = process.cpuUsage(start).user / 1_000;
      t.ok(epsilon >= least && epsilon <= most, `${what}: ${epsilon}`);
      t.ok(took < LIMIT_MS, `${what}: ${took.toFixed(0)} ms`);
    }
  });
}
