import fc from "fast-check";
import t from "tap";
import {
  bandedSquareRoot,
  bltCoefficients,
  bltSquareRoot,
  epsilonOf,
  toeplitzSensitivity,
  treeSensitivitySquared,
} from "../../../src/index.js";
import { participationPatterns, squaredSensitivity, toeplitzMatrix, treeMatrix } from "./bruteForce.js";

/** google-parfait/federated-compute, fcp/confidentialcompute/python/accounting_test.py::test_zcdp_for_blt */
const PUBLISHED_BLT = {
  bufferDecay: [0.9999999999921251, 0.9944453083640997, 0.8985923474607591, 0.4912001418098778],
  outputScale: [0.0070314825502323835, 0.10613806907600574, 0.1898159060327625, 0.1966594748073734],
} as const;

t.test("the published BLT with 4 buffers, 100 steps and separation 50 has ρ = 3.17226586", async (t) => {
  const coefficients = bltCoefficients(PUBLISHED_BLT.bufferDecay, PUBLISHED_BLT.outputScale, 100);
  const sensitivity = toeplitzSensitivity(coefficients, { steps: 100, minSeparation: 50, maxParticipations: 2 });
  t.ok(Math.abs(sensitivity ** 2 / 2 - 3.17226586) < 5e-9, `${sensitivity ** 2 / 2}`);
  const event = {
    type: "BltMatrixFactorization",
    noiseMultiplier: 2,
    ...PUBLISHED_BLT,
    steps: 100,
    minSeparation: 50,
    maxParticipations: 2,
  } as const;
  const asZcdp = epsilonOf({ type: "ZCdp", rho: 3.17226586 / 4, xi: 0 }, 1e-6, "zcdp").epsilon;
  t.ok(Math.abs(epsilonOf(event, 1e-6, "zcdp").epsilon / asZcdp - 1) < 1e-8);
  // It is a Gaussian mechanism: the PLD accountant answers in closed form, below zCDP.
  t.ok(epsilonOf(event, 1e-6, "pld").epsilon < asZcdp);
});

t.test("sensitivity equals brute force for non-negative coefficients that do not rise", async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 5 }),
      (falls, steps, minSeparation, maxParticipations) => {
        let value = 1;
        const coefficients = Float64Array.from(falls, (fall) => {
          value *= fall;
          return value;
        });
        coefficients[0] = 1;
        const participation = { steps, minSeparation, maxParticipations };
        const exact = squaredSensitivity(
          toeplitzMatrix(coefficients, steps),
          participationPatterns(steps, minSeparation, maxParticipations),
        );
        const computed = toeplitzSensitivity(coefficients, participation) ** 2;
        t.ok(Math.abs(computed / exact - 1) < 1e-12, `${computed} for ${exact}`);
      },
    ),
    { seed: 101, numRuns: 300 },
  );
});

t.test(
  "sensitivity is never below brute force, whatever the coefficients, and equals it for narrow bands",
  async (t) => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 5 }),
        (tail, steps, minSeparation, maxParticipations) => {
          const coefficients = Float64Array.from([1, ...tail]);
          const participation = { steps, minSeparation, maxParticipations };
          const exact = squaredSensitivity(
            toeplitzMatrix(coefficients, steps),
            participationPatterns(steps, minSeparation, maxParticipations),
          );
          const computed = toeplitzSensitivity(coefficients, participation) ** 2;
          if (coefficients.length <= minSeparation) {
            t.ok(Math.abs(computed / exact - 1) < 1e-12, `${computed} for ${exact}`);
          } else {
            t.ok(computed >= exact * (1 - 1e-12), `${computed} for ${exact}`);
          }
        },
      ),
      { seed: 102, numRuns: 300 },
    );
  },
);

t.test("independent noise has the sensitivity of the number of participations", async (t) => {
  for (const times of [1, 3, 7]) {
    const sensitivity = toeplitzSensitivity(Float64Array.of(1), {
      steps: 70,
      minSeparation: 10,
      maxParticipations: times,
    });
    t.ok(Math.abs(sensitivity - Math.sqrt(times)) < 1e-15);
  }
});

t.test("square-root bands are those of the matrix of running totals", async (t) => {
  const { coefficients } = bandedSquareRoot(12);
  t.same(coefficients.slice(0, 4), [1, 0.5, 0.375, 0.3125]);
  // (Σ cₖ xᵏ)² = 1/(1 − x): every product coefficient is 1.
  for (let n = 0; n < 12; n++) {
    let sum = 0;
    for (let k = 0; k <= n; k++) {
      sum += (coefficients[k] ?? 0) * (coefficients[n - k] ?? 0);
    }
    t.ok(Math.abs(sum - 1) < 1e-14);
  }
});

t.test("the square root in buffers: exact at first, never above it, and better than independent noise", async (t) => {
  for (const buffers of [1, 2, 4, 8]) {
    const { bufferDecay, outputScale } = bltSquareRoot(buffers);
    const own = bltCoefficients(bufferDecay, outputScale, 200);
    const due = bandedSquareRoot(200).coefficients;
    for (let k = 0; k < 200; k++) {
      const [came = 0, exact = 0] = [own[k], due[k]];
      if (k < 2 * buffers) t.ok(Math.abs(came - exact) < 1e-12, `${buffers} buffers, coefficient ${k}`);
      else t.ok(came <= exact, `${buffers} buffers, coefficient ${k}`);
    }
  }
});

t.test("tree sensitivity: published values, exactly", async (t) => {
  // google-parfait/federated-compute, accounting_test.py::test_zcdp_simple; ρ at noise multiplier 1
  for (const [steps, minSeparation, rho] of [
    [4, 2, 4],
    [5, 2, 4.5],
    [7, 2, 5.5],
    [7, 3, 4.5],
  ] as const) {
    const squared = treeSensitivitySquared({ steps, minSeparation, maxParticipations: steps });
    t.equal(squared / 2, rho, `${steps} steps, separation ${minSeparation}`);
    const event = {
      type: "TreeAggregation",
      noiseMultiplier: 2,
      steps,
      minSeparation,
      maxParticipations: steps,
    } as const;
    t.equal(
      epsilonOf(event, 1e-5, "zcdp").epsilon,
      epsilonOf({ type: "ZCdp", rho: rho / 4, xi: 0 }, 1e-5, "zcdp").epsilon,
    );
  }
});

t.test("tree sensitivity is never below brute force, and mostly equal to it", async (t) => {
  let equal = 0;
  let cases = 0;
  for (let steps = 1; steps <= 16; steps++) {
    for (let minSeparation = 1; minSeparation <= 6; minSeparation++) {
      for (const maxParticipations of [1, 2, 4, 16]) {
        if (minSeparation === 1 && steps > 12) {
          continue;
        }
        const participation = { steps, minSeparation, maxParticipations };
        const exact = squaredSensitivity(
          treeMatrix(steps),
          participationPatterns(steps, minSeparation, maxParticipations),
        );
        const computed = treeSensitivitySquared(participation);
        if (computed < exact) {
          t.fail(`${JSON.stringify(participation)}: ${computed} below ${exact}`);
        }
        cases += 1;
        equal += computed === exact ? 1 : 0;
      }
    }
  }
  t.ok(equal > 0.8 * cases, `${equal} of ${cases} exact`);
});

t.test("hostile participation is refused, and long runs are quick", async (t) => {
  for (const bad of [0, -1, 1.5, Number.NaN, 1e9]) {
    t.throws(() => toeplitzSensitivity(Float64Array.of(1), { steps: bad, minSeparation: 1, maxParticipations: 1 }), {
      code: "INVALID_PARAMETER",
    });
    t.throws(() => treeSensitivitySquared({ steps: bad, minSeparation: 1, maxParticipations: 1 }), {
      code: "INVALID_PARAMETER",
    });
  }
  // Work that grows with the square of the steps would not end within the time that a test file has.
  for (const minSeparation of [1, 7, 999, 123_457]) {
    const often = { steps: 1_000_000, minSeparation, maxParticipations: 1_000_000 };
    t.ok(treeSensitivitySquared(often) >= treeSensitivitySquared({ ...often, maxParticipations: 13 }));
    const { bufferDecay, outputScale } = PUBLISHED_BLT;
    t.ok(toeplitzSensitivity(bltCoefficients(bufferDecay, outputScale, 1_000_000), often) >= 1);
  }
});
