import { PrivacyError } from "../errors.js";
import { requirePositive } from "../parameters.js";
import { requireDelta } from "./accountant.js";
import { type AccountantName, epsilonOf } from "./epsilon.js";
import type { DpEvent } from "./events.js";
import type { NeighbouringRelation } from "./relation.js";

/** What to calibrate: a target, and the event that a noise multiplier gives. */
export interface CalibrationTarget {
  readonly epsilon: number;
  readonly delta: number;
  readonly event: (noiseMultiplier: number) => DpEvent;
  readonly accountant: AccountantName;
  readonly relation?: NeighbouringRelation;
}

/** The answer is at most this much, relatively, above the smallest noise multiplier that meets the target. */
const TOLERANCE = 1e-7;
const SMALLEST = 1e-6;
const LARGEST = 1e12;

/**
 * The smallest noise multiplier whose event costs at most ε at δ, rounded up: the ε of the answer is never above the
 * target. ε must fall with the noise multiplier.
 *
 * @returns a noise multiplier between 1e-6 and 1e12
 * @throws PrivacyError TARGET_UNREACHABLE when no such noise multiplier meets the target; DELTA_TOO_SMALL,
 *   INVALID_PARAMETER, UNSUPPORTED_EVENT
 */
export function noiseMultiplierFor(target: CalibrationTarget): number {
  requirePositive("epsilon", target.epsilon);
  requireDelta(target.delta);
  const cost = (noiseMultiplier: number): number =>
    epsilonOf(target.event(noiseMultiplier), target.delta, target.accountant, target.relation).epsilon;

  let high = start(target);
  let highCost = cost(high);
  const factor = high === 1 ? 4 : NEAR;
  while (highCost > target.epsilon) {
    high *= factor;
    if (high > LARGEST) {
      throw new PrivacyError(
        "TARGET_UNREACHABLE",
        `No noise multiplier up to ${LARGEST} brings ε to ${target.epsilon} at δ ${target.delta}. ` +
          "Part of the event does not depend on the noise, or δ is spent already: raise ε or δ, or release less.",
      );
    }
    highCost = cost(high);
  }
  let low = high / factor;
  let lowCost = cost(low);
  while (lowCost <= target.epsilon) {
    high = low;
    highCost = lowCost;
    if (low <= SMALLEST) {
      return high;
    }
    low /= factor;
    lowCost = cost(low);
  }
  while (high > low * (1 + TOLERANCE)) {
    const middle = between(low, lowCost, high, highCost, target.epsilon);
    const middleCost = cost(middle);
    if (middleCost <= target.epsilon) {
      high = middle;
      highCost = middleCost;
    } else {
      low = middle;
      lowCost = middleCost;
    }
  }
  return high;
}

/** How far from each other the two accountants' answers mostly are. */
const NEAR = 1.2;

/** Losses are slow to compose: the search starts where the Rényi accountant's ends, which is near and takes no time. */
function start(target: CalibrationTarget): number {
  if (target.accountant !== "pld") {
    return 1;
  }
  try {
    return noiseMultiplierFor({ ...target, accountant: "rdp" });
  } catch {
    return 1;
  }
}

/**
 * A point to try: where ln ε is at the target if it is linear in ln noise, moved a little past it so that both ends of
 * the bracket close in, and the geometric middle when an end is infinite or zero.
 */
function between(low: number, lowCost: number, high: number, highCost: number, target: number): number {
  const width = Math.log(high / low);
  let share = 0.5;
  if (Number.isFinite(lowCost) && highCost > 0 && lowCost > highCost && width < 1) {
    share = Math.log(lowCost / target) / Math.log(lowCost / highCost);
    const margin = Math.max(0.02, (TOLERANCE / width) * 0.4);
    share = share < 0.5 ? share + margin : share - margin;
    share = Math.min(0.98, Math.max(0.02, share));
  }
  const middle = low * Math.exp(width * share);
  return middle > low && middle < high ? middle : (low + high) / 2;
}
