import { PrivacyError } from "../../errors.js";
import type { DpEvent } from "../events.js";
import { gaussianEquivalent } from "../gaussianEquivalent.js";
import { RDP_ORDERS } from "../rdp/accountant.js";
import { rdpCurve } from "../rdp/curves.js";
import type { NeighbouringRelation } from "../relation.js";
import {
  type Atoms,
  discreteGaussianAtoms,
  discreteLaplaceAtoms,
  epsilonDeltaAtoms,
  LARGEST_ATOM_LOSS,
  largestLoss,
  MOST_ATOMS,
  randomizedResponseAtoms,
  randomizedResponseSpecialAtoms,
  sampledAdd,
  sampledRemove,
} from "./atoms.js";
import {
  GaussianTails,
  LaplaceTails,
  type LossTails,
  SampledAddTails,
  SampledRemoveTails,
  SampledReplaceGaussianTails,
} from "./lossTails.js";
import { MixtureAddTails, MixtureRemoveTails } from "./mixtureTails.js";

/** One mechanism's privacy losses, in both directions, before they are put on a grid. */
export type Component =
  | {
      readonly type: "tails";
      readonly remove: LossTails;
      /** undefined when both directions are the same */
      readonly add: LossTails | undefined;
      /** Distance of the jumps of the loss distribution: undefined when it has none, 0 when they follow no lattice. */
      readonly jumps: number | undefined;
    }
  | { readonly type: "atoms"; readonly remove: Atoms; readonly add: Atoms | undefined };

/** A composition sorted into what can be treated alike. Gaussians, and bounds by Rényi curves, add up beforehand. */
export interface Breakdown {
  /** Something was released without protection. */
  exposed: boolean;
  /** Σ 1/(2·noiseMultiplier²) of the Gaussian mechanisms. */
  gaussianRho: number;
  /** Other mechanisms, by their description, each with its count. */
  readonly components: Map<string, { readonly component: Component; count: number }>;
  /** The Rényi curve, at RDP_ORDERS, of mechanisms of which nothing finer is known here. */
  readonly rdp: Float64Array;
  /** ln of the probability that the Rényi curve holds. */
  logKept: number;
}

const ORDERS: Float64Array = Float64Array.from(RDP_ORDERS);

/** Above this a Laplace mechanism is treated as pure ε-differential privacy, which costs next to nothing there. */
const LARGEST_LAPLACE_LOSS = 600;

/** @returns nothing released yet */
export function emptyBreakdown(): Breakdown {
  return { exposed: false, gaussianRho: 0, components: new Map(), rdp: new Float64Array(ORDERS.length), logKept: 0 };
}

/** @returns an independent copy */
export function copyBreakdown(breakdown: Breakdown): Breakdown {
  return {
    ...breakdown,
    components: new Map([...breakdown.components].map(([key, value]) => [key, { ...value }])),
    rdp: breakdown.rdp.slice(),
  };
}

/**
 * Adds an event to a breakdown, which is left half-changed when it throws: work on a copy.
 *
 * @throws PrivacyError UNSUPPORTED_EVENT
 */
export function addEvent(event: DpEvent, count: number, relation: NeighbouringRelation, into: Breakdown): void {
  if (count === 0) {
    return;
  }
  switch (event.type) {
    case "NoOp":
      return;
    case "NonPrivate":
      into.exposed = true;
      return;
    case "Composed":
      for (const inner of event.events) {
        addEvent(inner, count, relation, into);
      }
      return;
    case "SelfComposed":
      addEvent(event.event, count * event.count, relation, into);
      return;
    case "PoissonSampled":
      if (event.samplingProbability === 0) {
        return;
      }
      if (event.samplingProbability === 1) {
        addEvent(event.event, count, relation, into);
        return;
      }
      break;
    default:
  }
  const gaussian = gaussianEquivalent(event);
  if (gaussian?.shape === "gaussian") {
    into.gaussianRho += count * gaussian.rho;
    return;
  }
  const key = JSON.stringify(event);
  const known = into.components.get(key);
  if (known !== undefined) {
    known.count += count;
    return;
  }
  const component =
    event.type === "PoissonSampled"
      ? sampledComponent(event.samplingProbability, event.event, relation)
      : componentOf(event, relation);
  if (component !== undefined) {
    into.components.set(key, { component, count });
    return;
  }
  const curve = rdpCurve(event, { orders: ORDERS, relation, fractionalOrders: "absolute" });
  for (let i = 0; i < into.rdp.length; i++) {
    into.rdp[i] = (into.rdp[i] ?? 0) + count * (curve.rdp[i] ?? 0);
  }
  into.logKept += count * curve.logKept;
}

const symmetric = (atoms: Atoms | undefined): Component | undefined =>
  atoms === undefined ? undefined : { type: "atoms", remove: atoms, add: undefined };

/** @returns undefined for events whose losses are not known in closed form */
function componentOf(event: DpEvent, relation: NeighbouringRelation): Component | undefined {
  switch (event.type) {
    case "Laplace": {
      const largest = 1 / event.noiseMultiplier;
      if (largest > LARGEST_LAPLACE_LOSS) {
        return Number.isFinite(largest) ? symmetric(epsilonDeltaAtoms(largest, 0)) : undefined;
      }
      const tails = new LaplaceTails(event.noiseMultiplier);
      return { type: "tails", remove: tails, add: undefined, jumps: largest };
    }
    case "DiscreteGaussian":
      return (event.dimension ?? 1) === 1 && isCount(event.sensitivity)
        ? symmetric(discreteGaussianAtoms(event.sigma, event.sensitivity))
        : undefined;
    case "DiscreteLaplace":
      if (!isCount(event.sensitivity)) {
        throw new PrivacyError(
          "UNSUPPORTED_EVENT",
          "DiscreteLaplace needs an integer sensitivity: it noises integers.",
        );
      }
      if (event.noiseParameter * event.sensitivity > LARGEST_ATOM_LOSS) {
        return symmetric(epsilonDeltaAtoms(event.noiseParameter * event.sensitivity, 0));
      }
      return event.sensitivity <= MOST_ATOMS
        ? symmetric(discreteLaplaceAtoms(event.noiseParameter, event.sensitivity))
        : undefined;
    case "EpsilonDelta":
      return symmetric(epsilonDeltaAtoms(event.epsilon, event.delta));
    case "RandomizedResponse": {
      if (event.buckets === 1 || event.noiseParameter === 1) {
        return symmetric(epsilonDeltaAtoms(0, 0));
      }
      if (event.noiseParameter === 0) {
        return symmetric(epsilonDeltaAtoms(0, 1));
      }
      if (relation === "replace-one") {
        return symmetric(randomizedResponseAtoms(event.noiseParameter, event.buckets));
      }
      return { type: "atoms", ...randomizedResponseSpecialAtoms(event.noiseParameter, event.buckets) };
    }
    case "MixtureOfGaussians": {
      if (event.sensitivities.every((sensitivity, i) => sensitivity === 0 || event.probabilities[i] === 0)) {
        return symmetric(epsilonDeltaAtoms(0, 0));
      }
      return {
        type: "tails",
        remove: new MixtureRemoveTails(event.standardDeviation, event.sensitivities, event.probabilities),
        add: new MixtureAddTails(event.standardDeviation, event.sensitivities, event.probabilities),
        jumps: undefined,
      };
    }
    default:
      return undefined;
  }
}

/** The inner event on a Poisson sample; undefined when only a Rényi bound is known. */
function sampledComponent(probability: number, event: DpEvent, relation: NeighbouringRelation): Component | undefined {
  const gaussian = gaussianEquivalent(event);
  if (gaussian?.shape === "gaussian") {
    if (gaussian.rho === 0) {
      return symmetric(epsilonDeltaAtoms(0, 0));
    }
    const noiseMultiplier = 1 / Math.sqrt(2 * gaussian.rho);
    if (!(noiseMultiplier > 1e-3)) {
      return undefined;
    }
    if (relation === "replace-one") {
      return {
        type: "tails",
        remove: new SampledReplaceGaussianTails(noiseMultiplier, probability),
        add: undefined,
        jumps: undefined,
      };
    }
    const tails = new GaussianTails(noiseMultiplier);
    return {
      type: "tails",
      remove: new SampledRemoveTails(tails, probability),
      add: new SampledAddTails(tails, probability),
      jumps: undefined,
    };
  }
  if (relation === "replace-one") {
    throw new PrivacyError(
      "UNSUPPORTED_EVENT",
      `A Poisson sample of ${event.type} can be accounted by add-or-remove-one, not by replace-one.`,
    );
  }
  const inner = componentOf(event, relation);
  if (inner === undefined) {
    return undefined;
  }
  if (inner.type === "tails") {
    return {
      type: "tails",
      remove: new SampledRemoveTails(inner.remove, probability),
      add: new SampledAddTails(inner.add ?? inner.remove, probability),
      jumps: inner.jumps === undefined ? undefined : 0,
    };
  }
  const add = inner.add ?? inner.remove;
  if (Math.max(largestLoss(inner.remove), largestLoss(add)) > LARGEST_ATOM_LOSS) {
    return undefined;
  }
  return { type: "atoms", remove: sampledRemove(inner.remove, probability), add: sampledAdd(add, probability) };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
