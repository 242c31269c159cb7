import { systemRandom } from "@fedloop/privacy";
import t from "tap";
import { budgetFor, noiseForReleases, PrivateSum } from "../private-sum.js";

t.test("noise for so many releases lasts for exactly these", async (t) => {
  const noiseMultiplier = noiseForReleases(2, 3);
  const options = { clipNorm: 1, dimension: 4, bits: 18, random: systemRandom(), budget: budgetFor(2) };
  const sum = new PrivateSum({ ...options, noiseMultiplier });
  for (let release = 0; release < 3; release++) {
    sum.add(Float32Array.of(3, 4), Int32Array.of(1, 3));
    t.equal(sum.release().length, 4);
  }
  t.throws(() => sum.release(), { code: "BUDGET_EXCEEDED" });
  t.ok(Math.abs(sum.noiseStdDev / noiseMultiplier - 1) < 1e-3, "noise is that many clip norms");
});

t.test("updates are clipped and land in their places", async (t) => {
  const sum = new PrivateSum({
    clipNorm: 1,
    noiseMultiplier: 0,
    dimension: 4,
    bits: 18,
    random: systemRandom(),
    budget: budgetFor(Number.POSITIVE_INFINITY),
  });
  sum.add(Float32Array.of(3, 4), Int32Array.of(1, 3));
  sum.add(Float32Array.of(0, 0.5, 0, 0));
  const released = [...sum.release()];
  [0, 1.1, 0, 0.8].forEach((due, i) => {
    t.ok(Math.abs((released[i] ?? 0) - due) < 1e-6);
  });
  t.same([...sum.release()], [0, 0, 0, 0], "a release empties the sum");
});
