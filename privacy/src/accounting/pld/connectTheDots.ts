import { type LossMass, trimmed } from "./lossMass.js";
import type { LossTails } from "./lossTails.js";

/**
 * Puts a pair of distributions on a grid of losses so that its hockey-stick divergence is met exactly at the grid
 * points and from above between them ("connect the dots": Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022). Between
 * two neighbouring points lie some mass a of P and b of Q; it goes to the two points so that both are kept.
 *
 * @param tails the distributions
 * @param interval distance of grid points
 */
export function connectTheDots(tails: LossTails, interval: number): LossMass {
  let lowest = Math.floor(tails.lowest / interval);
  let highest = Math.max(lowest + 1, Math.ceil(tails.highest / interval));
  // Division and multiplication round: make sure that nothing lies beyond the ends but what the tails leave out.
  while (lowest * interval > tails.lowest) {
    lowest -= 1;
  }
  while (highest * interval < tails.highest) {
    highest += 1;
  }
  const mass = new Float64Array(highest - lowest + 1);
  const growth = Math.expm1(interval);
  tails.at(lowest * interval);
  let p = tails.p;
  let scaledQ = tails.scaledQ;
  // What lies at or below the lowest point moves up to it.
  mass[0] = Math.max(0, 1 - p);
  for (let j = 1; j < mass.length; j++) {
    tails.at((lowest + j) * interval);
    const inside = p - tails.p;
    // b·e^loss at the upper end; everything there would be b·e^loss = a
    const scaledInside = scaledQ * (1 + growth) - tails.scaledQ;
    const toLower = Math.min(Math.max((scaledInside - inside) / growth, 0), Math.max(inside, 0));
    mass[j - 1] = (mass[j - 1] ?? 0) + toLower;
    mass[j] = Math.max(inside, 0) - toLower;
    p = tails.p;
    scaledQ = tails.scaledQ;
  }
  return trimmed({ interval, first: lowest, mass, infinite: p });
}
