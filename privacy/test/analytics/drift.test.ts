import t from "tap";
import { driftBetween, fewestToCompare, type NoisedHistogram } from "../../src/analytics/index.js";

/** People spread evenly over the bins, their noise by chance 0. */
function even(people: number, bins: number, noiseVariance: number): NoisedHistogram {
  return { counts: Array.from({ length: bins }, () => people / bins), noiseVariance };
}

t.test("with so many people as are said to be needed there is something to compare, with fewer there is not", (t) => {
  for (const [bins, noiseVariance] of [
    [2, 1],
    [4, 9],
    [10, 25],
  ] as const) {
    const people = fewestToCompare(bins, 2 * noiseVariance);
    const compared = (each: number) => driftBetween(even(each, bins, noiseVariance), even(each, bins, noiseVariance));
    t.equal(compared(people)?.isDrift, false, `${people} people over ${bins} bins`);
    t.equal(compared(people - 1), null);
  }
  t.end();
});
