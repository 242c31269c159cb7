import t from "tap";
import {
  type Atoms,
  bucketed,
  discreteGaussianAtoms,
  discreteLaplaceAtoms,
  epsilonDeltaAtoms,
  randomizedResponseAtoms,
  randomizedResponseSpecialAtoms,
  sampledAdd,
  sampledRemove,
  split,
} from "../../src/accounting/pld/atoms.js";
import { connectTheDots } from "../../src/accounting/pld/connectTheDots.js";
import type { LossMass } from "../../src/accounting/pld/lossMass.js";
import {
  GaussianTails,
  LaplaceTails,
  type LossTails,
  SampledAddTails,
  SampledRemoveTails,
  SampledReplaceGaussianTails,
} from "../../src/accounting/pld/lossTails.js";
import { MixtureAddTails, MixtureRemoveTails } from "../../src/accounting/pld/mixtureTails.js";
import { lossFromProfile } from "../../src/accounting/pld/profile.js";

/** Total mass under P, and mass under Q of the finite losses: Σ mass·e^−loss. */
function totals(loss: LossMass): { readonly p: number; readonly q: number } {
  let p = loss.infinite;
  let q = 0;
  loss.mass.forEach((mass, j) => {
    if (!(mass >= 0)) {
      throw new RangeError(`mass ${mass} at ${j}`);
    }
    p += mass;
    q += mass === 0 ? 0 : mass * Math.exp(-loss.interval * (loss.first + j));
  });
  return { p, q };
}

const TAILS: readonly (readonly [string, LossTails])[] = [0.005, 0.05, 0.3, 1, 5, 100].flatMap((noise) => {
  const gaussian = new GaussianTails(noise);
  return [
    [`Gaussian ${noise}`, gaussian],
    [`a tenth removed, Gaussian ${noise}`, new SampledRemoveTails(gaussian, 0.1)],
    [`a tenth added, Gaussian ${noise}`, new SampledAddTails(gaussian, 0.1)],
    [`a millionth removed, Gaussian ${noise}`, new SampledRemoveTails(gaussian, 1e-6)],
    [`a millionth added, Gaussian ${noise}`, new SampledAddTails(gaussian, 1e-6)],
    [`a tenth replaced, Gaussian ${noise}`, new SampledReplaceGaussianTails(noise, 0.1)],
    [`Laplace ${noise}`, new LaplaceTails(noise)],
    [`half removed, Laplace ${noise}`, new SampledRemoveTails(new LaplaceTails(noise), 0.5)],
    [`half added, Laplace ${noise}`, new SampledAddTails(new LaplaceTails(noise), 0.5)],
  ] as const;
});

t.test("distributions on a grid keep their mass under P, and lose none under Q", async (t) => {
  const mixtures = [
    ["mixture removed", new MixtureRemoveTails(1.5, [0, 1, 2], [0.2, 0.5, 0.3])],
    ["mixture added", new MixtureAddTails(1.5, [0, 1, 2], [0.2, 0.5, 0.3])],
  ] as const;
  for (const [name, tails] of [...TAILS, ...mixtures]) {
    const width = tails.highest - tails.lowest;
    for (const interval of [width / 3, width / 50, width / 4000].map((wanted) => Math.min(wanted, 40))) {
      const loss = connectTheDots(tails, interval);
      const { p, q } = totals(loss);
      t.ok(Math.abs(p - 1) < 1e-12, `${name}, ${interval}: ${p}`);
      // Q's mass is at most 1; where it lies at losses that P never has, it is not on the grid.
      const rounding = 1e-9 + 1e-15 * Math.exp(-loss.interval * loss.first);
      t.ok(q < 1 + rounding, `${name}, ${interval}: ${q} under Q`);
    }
  }
});

t.test("atoms keep their mass, bucketed upwards or split", async (t) => {
  const list: readonly (readonly [string, Atoms | undefined])[] = [
    ["discrete Gaussian", discreteGaussianAtoms(3.3, 2)],
    ["narrow discrete Gaussian", discreteGaussianAtoms(0.06, 1)],
    ["discrete Laplace", discreteLaplaceAtoms(0.37, 5)],
    ["(ε, δ)", epsilonDeltaAtoms(0.81, 1e-3)],
    ["randomized response", randomizedResponseAtoms(0.3, 7)],
    ["randomized response against a blank", randomizedResponseSpecialAtoms(0.3, 7).remove],
    ["a blank against randomized response", randomizedResponseSpecialAtoms(0.3, 7).add],
  ];
  for (const [name, atoms] of list) {
    if (atoms === undefined) {
      t.fail(`${name} is enumerable`);
      continue;
    }
    for (const [kind, pair] of [
      ["whole", atoms],
      ["removed", sampledRemove(atoms, 0.2)],
      ["added", sampledAdd(atoms, 0.2)],
    ] as const) {
      for (const loss of [bucketed(pair, 1e-4, 1), split(pair, 1e-4), split(pair, 0.37)]) {
        const { p, q } = totals(loss);
        t.ok(Math.abs(p - 1) < 1e-12, `${name} ${kind}: ${p}`);
        t.ok(q < 1 + 1e-9, `${name} ${kind}: ${q} under Q`);
      }
      // Splitting keeps the mass under Q as well.
      const exact = pair.losses.reduce((sum, value, i) => sum + (pair.masses[i] ?? 0) * Math.exp(-value), 0);
      t.ok(Math.abs(totals(split(pair, 0.37)).q / exact - 1) < 1e-9, `${name} ${kind}`);
    }
  }
});

t.test("a profile's distribution meets the profile from above, no more than its hull needs", async (t) => {
  // δ(ε) of a Gaussian mechanism is convex in e^ε: the hull is the curve itself.
  const tails = new GaussianTails(1.3);
  const profile = (epsilon: number): number => {
    tails.at(epsilon);
    return Math.max(0, tails.p - tails.scaledQ);
  };
  const loss = lossFromProfile(profile, 0.01, 900);
  const { p } = totals(loss);
  t.ok(Math.abs(p - 1) < 1e-9, `${p}`);
  for (const epsilon of [0, 0.5, 1.234, 3, 6]) {
    let delta = loss.infinite;
    loss.mass.forEach((mass, j) => {
      const value = loss.interval * (loss.first + j);
      delta += value > epsilon ? -mass * Math.expm1(epsilon - value) : 0;
    });
    t.ok(delta >= profile(epsilon) * (1 - 1e-6), `${epsilon}: ${delta} not below ${profile(epsilon)}`);
    t.ok(delta <= profile(epsilon) * (1 + 1e-3) + 1e-12, `${epsilon}: ${delta} near ${profile(epsilon)}`);
  }
});
