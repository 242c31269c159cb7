import type { OutlierDetector } from "./detector.js";
import { median } from "./median.js";

/** Makes the median absolute deviation of a normal variable its standard deviation: 1/Φ⁻¹(¾). */
const NORMAL_CONSISTENCY = 1.482602218505602;

/**
 * The largest robust z-score over the columns: distance to the median in median absolute deviations (Iglewicz, Hoaglin, How to
 * detect and handle outliers, 1993). Where more than half of a column is one value, the mean absolute deviation takes their place;
 * where all of it is, any other value is infinitely far.
 *
 * @param reference usual rows
 */
export function robustZ(reference: readonly (readonly number[])[]): OutlierDetector {
  const columns = (reference[0] ?? []).map((_, column) => {
    const values = reference.map((row) => row[column] ?? 0);
    const middle = median(values);
    const distances = values.map((value) => Math.abs(value - middle));
    const mad = NORMAL_CONSISTENCY * median(distances);
    const mean = (distances.reduce((sum, each) => sum + each, 0) / distances.length) * Math.sqrt(Math.PI / 2);
    return { middle, scale: mad > 0 ? mad : mean };
  });
  return {
    name: "robust-z",
    score: (row) =>
      columns.reduce((most, { middle, scale }, column) => {
        const distance = Math.abs((row[column] ?? 0) - middle);
        return Math.max(most, distance === 0 ? 0 : distance / scale);
      }, 0),
  };
}
