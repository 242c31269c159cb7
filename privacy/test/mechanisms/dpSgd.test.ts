import t from "tap";
import { type DpSgdParameters, DpSgdRun, dpSgd, epsilonOf, normL2 } from "../../src/index.js";
import { seededRandom } from "../random/seeded.js";

const PARAMETERS: DpSgdParameters = {
  clipNorm: 2,
  noiseMultiplier: 1.3,
  samplingProbability: 0.25,
  steps: 4,
  dimension: 3,
};

t.test("what a run costs is that of as many sampled steps, whatever the clip", async (t) => {
  const { event } = dpSgd(PARAMETERS);
  const gaussian = {
    type: "SelfComposed",
    count: 4,
    event: { type: "PoissonSampled", samplingProbability: 0.25, event: { type: "Gaussian", noiseMultiplier: 1.3 } },
  } as const;
  const { epsilon } = epsilonOf(event, 1e-5, "rdp");
  const least = epsilonOf(gaussian, 1e-5, "rdp").epsilon;
  t.ok(epsilon >= least * (1 - 1e-9) && epsilon < least * 1.05, `${epsilon} for integers, ${least} for reals`);
  t.same(dpSgd({ ...PARAMETERS, clipNorm: 100 }).event, event);
  t.match(dpSgd({ ...PARAMETERS, samplingProbability: 1 }).event, { count: 4, event: { type: "DiscreteGaussian" } });
});

t.test("a batch is a Poisson sample: each example by itself, at the stated rate", async (t) => {
  const STEPS = 400;
  const EXAMPLES = 50;
  const run = new DpSgdRun(dpSgd({ ...PARAMETERS, steps: STEPS }), seededRandom(31));
  const sizes: number[] = [];
  const drawn = new Float64Array(EXAMPLES);
  for (let step = 0; step < STEPS; step++) {
    const batch = run.sample(EXAMPLES);
    sizes.push(batch.length);
    for (const example of batch) drawn[example] = (drawn[example] ?? 0) + 1;
    run.release();
  }
  const mean = sizes.reduce((sum, size) => sum + size, 0) / STEPS;
  const variance = sizes.reduce((sum, size) => sum + (size - mean) ** 2, 0) / STEPS;
  // Mean 12.5 ± 0.15 and variance 9.375 ± 0.66; beyond 5 of these by chance: less than 2e-6. A shuffle has variance 0.
  t.ok(Math.abs(mean - 12.5) < 0.77, String(mean));
  t.ok(Math.abs(variance - 9.375) < 3.3, String(variance));
  // Each of 50 examples 100 ± 8.7 times; beyond 5.5 of these for any by chance: less than 2e-6.
  t.ok(drawn.every((count) => Math.abs(count - 100) < 48));
});

t.test("the noise is noiseMultiplier times the clip, and no gradient counts for more than the clip", async (t) => {
  const STEPS = 2000;
  const mechanism = dpSgd({ ...PARAMETERS, steps: STEPS, samplingProbability: 1 });
  const run = new DpSgdRun(mechanism, seededRandom(32));
  const sums = new Float64Array(3);
  let squares = 0;
  for (let step = 0; step < STEPS; step++) {
    run.sample(2);
    run.add(Float32Array.of(3e6, 0, 4e6));
    run.add(Float32Array.of(0, 0.5, 0));
    run.release().forEach((value, i) => {
      sums[i] = (sums[i] ?? 0) + value;
      squares += (value - ([1.2, 0.5, 1.6][i] ?? 0)) ** 2;
    });
  }
  // Standard deviation 2.6; 6 000 values determine it to 0.9 %, each mean to 0.058. Beyond 5 of these by chance: < 4e-6.
  t.ok(Math.abs(Math.sqrt(squares / (3 * STEPS)) / 2.6 - 1) < 0.046);
  [1.2, 0.5, 1.6].forEach((due, i) => {
    t.ok(Math.abs((sums[i] ?? 0) / STEPS - due) < 0.29, `coordinate ${i}`);
  });
});

t.test("one more example changes a sum by the clip at most", async (t) => {
  // With next to no noise the sums themselves are seen.
  const mechanism = dpSgd({ ...PARAMETERS, noiseMultiplier: 1e-6, samplingProbability: 1, steps: 1, dimension: 8 });
  for (let seed = 0; seed < 50; seed++) {
    const gradients = [1, 2, 3].map((k) =>
      Float32Array.from({ length: 8 }, (_, i) => Math.sin(seed * 31 + k * 7 + i) * k),
    );
    const sumOf = (count: number): Float32Array => {
      const run = new DpSgdRun(mechanism, seededRandom(seed));
      run.sample(count);
      for (const gradient of gradients.slice(0, count)) run.add(gradient.slice());
      return run.release();
    };
    const [with2, with3] = [sumOf(2), sumOf(3)];
    t.ok(normL2(with3.map((value, i) => value - (with2[i] ?? 0))) <= 2 * (1 + 1e-4), `seed ${seed}`);
  }
});

t.test("a run ends with its last step, and takes gradients only between sample and release", async (t) => {
  const run = new DpSgdRun(dpSgd({ ...PARAMETERS, steps: 1 }), seededRandom(1));
  const code = { code: "OUT_OF_RANGE" };
  t.throws(() => run.add(new Float32Array(3)), code);
  t.throws(() => run.release(), code);
  run.sample(5);
  t.throws(() => run.sample(5), code, "the step under way comes first");
  t.throws(() => run.add(Float32Array.of(1, Number.NaN, 0)), { code: "NON_FINITE" });
  t.throws(() => run.add(new Float32Array(2)), { code: "WRONG_LENGTH" });
  run.release();
  t.throws(() => run.sample(5), code, "what the steps cost covers no more");
  for (const wrong of [
    { noiseMultiplier: 0 },
    { samplingProbability: 0 },
    { samplingProbability: 1.5 },
    { steps: 0 },
  ]) {
    t.throws(() => dpSgd({ ...PARAMETERS, ...wrong }), { code: "INVALID_PARAMETER" }, JSON.stringify(wrong));
  }
});
