import { PrivacyError } from "../errors.js";
import type { DpEvent } from "./events.js";
import type { NeighbouringRelation } from "./relation.js";

/** An upper bound on ε, and the Rényi order that gave it where there is one. */
export interface EpsilonBound {
  readonly epsilon: number;
  readonly optimalOrder?: number;
}

/** Adds up what mechanisms cost. Every answer is an upper bound. */
export interface Accountant {
  readonly relation: NeighbouringRelation;
  /**
   * Adds an event, `count` times. On an error nothing is counted.
   *
   * @throws PrivacyError UNSUPPORTED_EVENT, INVALID_PARAMETER
   */
  compose(event: DpEvent, count?: number): void;
  /**
   * The ε that everything composed so far satisfies at this δ; infinite when there is none.
   *
   * @throws PrivacyError DELTA_TOO_SMALL, INVALID_PARAMETER
   */
  epsilon(delta: number): EpsilonBound;
  /**
   * The δ that everything composed so far satisfies at this ε.
   *
   * @throws PrivacyError INVALID_PARAMETER
   */
  delta(epsilon: number): number;
  /** An independent accountant that has composed the same. */
  fork(): Accountant;
}

/** Below this the rounding of a fast Fourier transform is not bounded, and no accountant here answers. */
export const SMALLEST_DELTA = 1e-12;

/**
 * @returns the value, known to be a δ that accountants answer for
 * @throws PrivacyError DELTA_TOO_SMALL, INVALID_PARAMETER
 */
export function requireDelta(delta: number): number {
  if (!(delta >= 0 && delta < 1)) {
    throw new PrivacyError("INVALID_PARAMETER", `delta must be at least ${SMALLEST_DELTA} and below 1, not ${delta}.`);
  }
  if (delta < SMALLEST_DELTA) {
    throw new PrivacyError(
      "DELTA_TOO_SMALL",
      `delta ${delta} is below ${SMALLEST_DELTA}, where rounding is not bounded. Choose a larger one.`,
    );
  }
  return delta;
}

/**
 * @returns the value, known to be a finite ε of at least 0
 * @throws PrivacyError INVALID_PARAMETER
 */
export function requireEpsilon(epsilon: number): number {
  if (!(Number.isFinite(epsilon) && epsilon >= 0)) {
    throw new PrivacyError("INVALID_PARAMETER", `epsilon must be a finite number of at least 0, not ${epsilon}.`);
  }
  return epsilon;
}

/** A bound that rounding in sums of doubles cannot undercut: 2^-40 of the value, far above their error. */
export function roundedUp(bound: number): number {
  return bound * (1 + 2 ** -40);
}
