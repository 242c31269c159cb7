import type { Estimate } from "@fedloop/privacy/analytics";
import t from "tap";
import { curveText } from "../../src/cli/curve-text.js";

const estimate = (value: number): Estimate => ({ value, noiseVariance: 1e-4, interval: [value - 0.02, value + 0.02] });

t.test("a curve is a line for each threshold, with intervals, and says what is withheld", async (t) => {
  const points = [
    { threshold: 0, precision: estimate(0.5), recall: estimate(1), calibration: null, devices: 4 },
    { threshold: 0.5, precision: estimate(0.75), recall: estimate(0.6), calibration: estimate(0.75), devices: 200 },
  ];
  const [head = "", ...lines] = curveText(points).split("\n");
  t.match(head, /^ {2}score from +precision +recall +true in the bin$/);
  t.match(lines[0], /^ {2}0\.000 +0\.500 \(0\.480 to 0\.520\) +1\.000 \(0\.980 to 1\.020\) +withheld$/);
  t.match(
    lines[1],
    /^ {2}0\.500 +0\.750 \(0\.730 to 0\.770\) +0\.600 \(0\.580 to 0\.620\) +0\.750 \(0\.730 to 0\.770\)$/,
  );
  t.equal(lines.length, 3);
});
