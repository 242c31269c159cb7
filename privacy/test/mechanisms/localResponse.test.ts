import fc from "fast-check";
import t from "tap";
import {
  epsilonOf,
  estimateCounts,
  hadamardResponse,
  kRandomizedResponse,
  type LocalResponse,
  respond,
  responseStdDev,
} from "../../src/index.js";
import { chiSquare } from "../random/distribution.js";
import { seededRandom } from "../random/seeded.js";

/** P(report | category), from the definition: Hadamard entries by counting bits. */
function probability({ type, outputs, noiseParameter }: LocalResponse, category: number, report: number): number {
  const noise = noiseParameter / outputs;
  if (type === "k-randomized-response") return noise + (report === category ? 1 - noiseParameter : 0);
  const common = ((category + 1) & report).toString(2).replaceAll("0", "").length;
  return noise + (common % 2 === 0 ? (1 - noiseParameter) / (outputs / 2) : 0);
}

const RESPONSES: readonly LocalResponse[] = [
  kRandomizedResponse({ epsilon: 1, categories: 2 }),
  kRandomizedResponse({ epsilon: 3, categories: 7 }),
  hadamardResponse({ epsilon: 1, categories: 2 }),
  hadamardResponse({ epsilon: 2, categories: 12 }),
];

t.test("reports have the channel's distribution", async (t) => {
  // Four scores beyond 5 standard deviations by chance: less than 3e-6 in all.
  for (const [seed, response] of RESPONSES.entries()) {
    const random = seededRandom(100 + seed);
    const category = response.categories - 1;
    const reports = Array.from({ length: 20_000 }, () => respond(response, category, random));
    const { score } = chiSquare(
      reports,
      (report) => (report >= 0 && report < response.outputs ? probability(response, category, report) : 0),
      response.outputs,
    );
    t.ok(score < 5, `${response.type}, ${response.categories} categories: ${score}`);
  }
});

t.test("ε is exactly the channel's, never above what was asked for, and the event costs as much", async () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 20, noNaN: true }),
      fc.integer({ min: 2, max: 40 }),
      fc.boolean(),
      (epsilon, categories, isHadamard) => {
        const response = (isHadamard ? hadamardResponse : kRandomizedResponse)({ epsilon, categories });
        let worst = 0;
        for (let report = 0; report < response.outputs; report++) {
          const all = Array.from({ length: categories }, (_, category) => probability(response, category, report));
          worst = Math.max(worst, Math.log(Math.max(...all) / Math.min(...all)));
        }
        const { epsilon: accounted } = epsilonOf(response.event, 1e-12, "pld", "replace-one");
        return (
          response.epsilon <= epsilon &&
          response.epsilon > epsilon * (1 - 1e-9) &&
          // Near ε = 0 a logarithm of a ratio near 1 has few digits.
          Math.abs(worst - response.epsilon) < 1e-9 &&
          // The accountant rounds losses up to its grid.
          accounted <= response.epsilon + 1.01e-4
        );
      },
    ),
    { seed: 21, numRuns: 60 },
  );
});

t.test("estimated counts are without bias, with the spread that is stated", async (t) => {
  const RUNS = 400;
  const truth = [60, 25, 10, 5, 0];
  const people = truth.reduce((sum, count) => sum + count, 0);
  for (const [seed, make] of [kRandomizedResponse, hadamardResponse].entries()) {
    const response = make({ epsilon: 1.5, categories: truth.length });
    const random = seededRandom(200 + seed);
    const sums = new Float64Array(truth.length);
    let squares = 0;
    for (let run = 0; run < RUNS; run++) {
      const reports = new Float64Array(response.outputs);
      truth.forEach((count, category) => {
        for (let person = 0; person < count; person++) {
          const report = respond(response, category, random);
          reports[report] = (reports[report] ?? 0) + 1;
        }
      });
      const estimate = estimateCounts(response, reports);
      estimate.forEach((count, category) => {
        sums[category] = (sums[category] ?? 0) + count;
      });
      squares += (estimate[4] ?? 0) ** 2;
    }
    const stdDev = responseStdDev(response, people);
    // The spread of a common answer's count is at most 1.5 times that of a rare one's here. Ten means beyond 5 standard
    // deviations of themselves by chance: less than 6e-6 in all.
    truth.forEach((count, category) => {
      const mean = (sums[category] ?? 0) / RUNS;
      t.ok(Math.abs(mean - count) < (5 * 1.5 * stdDev) / Math.sqrt(RUNS), `${response.type} ${category}: ${mean}`);
    });
    // A sample variance of 400 is off by a factor beyond 1 ± 0.36 with probability below 1e-6.
    t.ok(Math.abs(squares / RUNS / stdDev ** 2 - 1) < 0.36, `${response.type}: spread ${Math.sqrt(squares / RUNS)}`);
  }
});

t.test("what is asked wrongly is refused", async (t) => {
  const code = { code: "INVALID_PARAMETER" };
  for (const epsilon of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-300, 1000]) {
    if (epsilon === 1e-300) {
      t.equal(kRandomizedResponse({ epsilon, categories: 3 }).noiseParameter, 1, "nothing but noise");
    } else t.throws(() => kRandomizedResponse({ epsilon, categories: 3 }), code, String(epsilon));
  }
  for (const categories of [0, 1, 1.5, 2 ** 30, Number.NaN]) {
    t.throws(() => hadamardResponse({ epsilon: 1, categories }), code, String(categories));
  }
  const response = kRandomizedResponse({ epsilon: 1, categories: 3 });
  t.throws(() => respond(response, 3, seededRandom(1)), code);
  t.throws(() => estimateCounts(response, new Float64Array(4)), { code: "WRONG_LENGTH" });
});
