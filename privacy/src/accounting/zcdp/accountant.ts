import { PrivacyError } from "../../errors.js";
import { requireInteger } from "../../parameters.js";
import { type Accountant, type EpsilonBound, requireDelta, requireEpsilon, roundedUp } from "../accountant.js";
import type { DpEvent } from "../events.js";
import { gaussianEquivalent } from "../gaussianEquivalent.js";
import { type NeighbouringRelation, requireRelation } from "../relation.js";
import { zcdpDelta, zcdpEpsilon } from "./conversion.js";

/** Choices of a zCDP accountant, all with a default. */
export interface ZcdpOptions {
  /** Who counts as a neighbour; add-or-remove-one unless told otherwise. */
  readonly relation?: NeighbouringRelation;
}

/**
 * An accountant on zero-concentrated differential privacy (Bun and Steinke 2016): ξ and ρ add up. It knows no
 * amplification by sampling.
 */
export function zcdpAccountant(options: ZcdpOptions = {}): Accountant {
  return new ZcdpAccountant(options.relation ?? "add-or-remove-one", { xi: 0, rho: 0, logKept: 0 });
}

/** ξ, ρ, and ln of the probability that they hold. */
interface Concentration {
  readonly xi: number;
  readonly rho: number;
  readonly logKept: number;
}

class ZcdpAccountant implements Accountant {
  readonly relation: NeighbouringRelation;
  #total: Concentration;

  constructor(relation: NeighbouringRelation, total: Concentration) {
    this.relation = relation;
    this.#total = total;
  }

  compose(event: DpEvent, count: number = 1): void {
    requireInteger("count", count, 0);
    requireRelation(event, this.relation);
    const { xi, rho, logKept } = concentration(event, this.relation);
    if (count > 0) {
      this.#total = {
        xi: this.#total.xi + count * xi,
        rho: this.#total.rho + count * rho,
        logKept: this.#total.logKept + count * logKept,
      };
    }
  }

  epsilon(delta: number): EpsilonBound {
    requireDelta(delta);
    const { xi, rho, logKept } = this.#total;
    // 1 − δ = (1 − δ′)(1 − δ of the (ε, δ) parts)
    const left = -Math.expm1(Math.log1p(-delta) - logKept);
    if (!(left > 0) || !Number.isFinite(xi)) {
      return { epsilon: Number.POSITIVE_INFINITY };
    }
    return { epsilon: zcdpEpsilon(rho, requireDelta(left), xi) };
  }

  delta(epsilon: number): number {
    requireEpsilon(epsilon);
    const { xi, rho, logKept } = this.#total;
    const delta = Number.isFinite(xi) ? zcdpDelta(rho, epsilon, xi) : 1;
    const failed = -Math.expm1(logKept);
    return Math.min(1, roundedUp(delta + failed - delta * failed));
  }

  fork(): Accountant {
    return new ZcdpAccountant(this.relation, this.#total);
  }
}

/** @throws PrivacyError UNSUPPORTED_EVENT */
function concentration(event: DpEvent, relation: NeighbouringRelation): Concentration {
  switch (event.type) {
    case "NonPrivate":
      return { xi: 0, rho: Number.POSITIVE_INFINITY, logKept: 0 };
    case "Composed":
      return event.events.reduce((sum: Concentration, inner) => {
        const part = concentration(inner, relation);
        return { xi: sum.xi + part.xi, rho: sum.rho + part.rho, logKept: sum.logKept + part.logKept };
      }, NOTHING);
    case "SelfComposed": {
      if (event.count === 0) {
        return NOTHING;
      }
      const part = concentration(event.event, relation);
      return { xi: event.count * part.xi, rho: event.count * part.rho, logKept: event.count * part.logKept };
    }
    case "ZCdp":
      return { xi: event.xi, rho: event.rho, logKept: 0 };
    case "Laplace":
      return pure(1 / event.noiseMultiplier);
    case "DiscreteLaplace":
      return pure(event.noiseParameter * event.sensitivity);
    case "EpsilonDelta":
      return { ...pure(event.epsilon), logKept: Math.log1p(-event.delta) };
    case "Exponential":
      // Bounded range: Cesar and Rogers (2020), section 3
      return { xi: 0, rho: (event.epsilon * event.epsilon) / 8, logKept: 0 };
    case "RandomizedResponse": {
      if (event.buckets === 1 || event.noiseParameter === 1) {
        return NOTHING;
      }
      const other = event.noiseParameter / event.buckets;
      const right = 1 - event.noiseParameter + other;
      return pure(
        relation === "replace-one"
          ? Math.log(right / other)
          : Math.max(Math.log(right * event.buckets), -Math.log(event.noiseParameter)),
      );
    }
    case "PoissonSampled":
      if (event.samplingProbability === 0 || event.samplingProbability === 1) {
        return event.samplingProbability === 0 ? NOTHING : concentration(event.event, relation);
      }
      break;
    default: {
      const gaussian = gaussianEquivalent(event);
      if (gaussian !== undefined) {
        return { xi: 0, rho: gaussian.rho, logKept: 0 };
      }
    }
  }
  throw new PrivacyError(
    "UNSUPPORTED_EVENT",
    `No zCDP bound for this ${event.type}: use the "rdp" or the "pld" accountant.`,
  );
}

const NOTHING: Concentration = { xi: 0, rho: 0, logKept: 0 };

/** Pure ε-differential privacy: Bun and Steinke (2016), Proposition 1.4. */
function pure(epsilon: number): Concentration {
  return { xi: 0, rho: (epsilon * epsilon) / 2, logKept: 0 };
}
