import { type LossMass, trimmed } from "./lossMass.js";

/**
 * A distribution of losses from a bound on δ(ε) alone, for mechanisms of which no more is known. The true curve is
 * convex in e^ε and below the bound, so it is below the bound's lower convex hull; the points of the hull, joined, are
 * the curve of the distribution returned. Both directions share the bound, so that for ε < 0
 * δ(ε) ≤ 1 − e^ε·(1 − bound(−ε)).
 *
 * @param bound an upper bound on δ(ε) for every ε ≥ 0, in both directions
 * @param interval distance of grid points
 * @param points how many grid points above zero
 */
export function lossFromProfile(bound: (epsilon: number) => number, interval: number, points: number): LossMass {
  // Heights of the curve in units where it is linear between grid points: against t = e^ε.
  const count = 2 * points + 1;
  const delta = new Float64Array(count);
  for (let j = 0; j <= points; j++) {
    const above = Math.min(1, bound(j * interval));
    delta[points + j] = above;
    delta[points - j] = Math.min(1, 1 - Math.exp(-j * interval) * (1 - above));
  }
  const hull = lowerHull(delta, interval, points);

  // Slopes −s between neighbouring hull points are masses under Q of all losses above; masses under P follow from
  // δ = P(L > ε) − e^ε Q(L > ε).
  const mass = new Float64Array(count);
  let qAbove = 0;
  let pAbove = delta[count - 1] ?? 0;
  const infinite = pAbove;
  for (let k = hull.length - 1; k > 0; k--) {
    const right = hull[k] ?? 0;
    const left = hull[k - 1] ?? 0;
    const width = Math.exp((left - points) * interval) * Math.expm1((right - left) * interval);
    const slope = ((delta[left] ?? 0) - (delta[right] ?? 0)) / width;
    // An atom at `right` with mass slope − qAbove under Q has e^loss times that under P.
    const atom = Math.max(0, slope - qAbove) * Math.exp((right - points) * interval);
    mass[right] = atom;
    qAbove = Math.max(qAbove, slope);
    pAbove += atom;
  }
  mass[0] = Math.max(0, 1 - pAbove);
  return trimmed({ interval, first: -points, mass, infinite });
}

/** Indices of the points on the lower convex hull of (e^ε_j, δ_j): Andrew's monotone chain. */
function lowerHull(delta: Float64Array, interval: number, points: number): number[] {
  const hull: number[] = [];
  const slope = (from: number, to: number): number =>
    ((delta[to] ?? 0) - (delta[from] ?? 0)) /
    (Math.exp((from - points) * interval) * Math.expm1((to - from) * interval));
  for (let j = 0; j < delta.length; j++) {
    for (;;) {
      const last = hull.at(-1);
      const before = hull.at(-2);
      if (last === undefined || before === undefined || slope(before, last) < slope(last, j)) {
        break;
      }
      hull.pop();
    }
    hull.push(j);
  }
  return hull;
}
