import { PrivacyError } from "../../errors.js";
import type { DpEvent } from "../events.js";
import { type GaussianEquivalent, gaussianEquivalent } from "../gaussianEquivalent.js";
import { type NeighbouringRelation, requireRelation } from "../relation.js";
import { fixedSizeSampleRdp } from "./fixedSizeSample.js";
import { exponentialRdp, laplaceRdp, pureRdp, randomizedResponseRdp, singleEpochTreeRdp } from "./mechanisms.js";
import { type FractionalOrders, sampledGaussianRdp } from "./sampledGaussian.js";

/** What a curve is computed for. */
export interface RdpSettings {
  readonly orders: Float64Array;
  readonly relation: NeighbouringRelation;
  readonly fractionalOrders: FractionalOrders;
}

/** A Rényi curve, and the probability that it does not hold: ln(1 − δ) of the (ε, δ) parts, which add up. */
export interface RdpCurve {
  readonly rdp: Float64Array;
  readonly logKept: number;
}

/**
 * The Rényi curve of one event.
 *
 * @throws PrivacyError UNSUPPORTED_EVENT when no Rényi bound of the event is known here
 */
export function rdpCurve(event: DpEvent, settings: RdpSettings): RdpCurve {
  requireRelation(event, settings.relation);
  const total: MutableCurve = { rdp: new Float64Array(settings.orders.length), logKept: 0 };
  addCurve(event, 1, settings, total);
  return total;
}

interface MutableCurve {
  readonly rdp: Float64Array;
  logKept: number;
}

function addCurve(event: DpEvent, count: number, settings: RdpSettings, total: MutableCurve): void {
  if (count === 0) {
    return;
  }
  const add = (divergence: (order: number) => number): void => {
    for (let i = 0; i < total.rdp.length; i++) {
      total.rdp[i] = (total.rdp[i] ?? 0) + count * divergence(settings.orders[i] ?? 0);
    }
  };
  switch (event.type) {
    case "NoOp":
      return;
    case "NonPrivate":
      add(() => Number.POSITIVE_INFINITY);
      return;
    case "Composed":
      for (const inner of event.events) {
        addCurve(inner, count, settings, total);
      }
      return;
    case "SelfComposed":
      addCurve(event.event, count * event.count, settings, total);
      return;
    case "Laplace":
      add((order) => laplaceRdp(1 / event.noiseMultiplier, order));
      return;
    case "EpsilonDelta":
      if (event.delta === 1) {
        add(() => Number.POSITIVE_INFINITY);
        return;
      }
      total.logKept += count * Math.log1p(-event.delta);
      add((order) => pureRdp(event.epsilon, order));
      return;
    case "Exponential":
      add((order) => exponentialRdp(event.epsilon, order));
      return;
    case "ZCdp":
      add((order) => event.xi + event.rho * order);
      return;
    case "PoissonSampled": {
      const inner = gaussianEquivalent(event.event);
      if (inner === undefined || inner.shape === "any" || settings.relation === "replace-one") {
        throw unsupported(event, "of Gaussian noise, under add-or-remove-one or replace-special");
      }
      add(sampledCurve(event.samplingProbability, inner, settings));
      return;
    }
    case "SampledWithoutReplacement": {
      const inner = gaussianEquivalent(event.event);
      if (inner === undefined) {
        throw unsupported(event, "of Gaussian-like noise under it");
      }
      add(fixedSizeSampleRdp(event.sampleSize / event.sourceSize, inner, settings.orders));
      return;
    }
    case "RandomizedResponse":
      add((order) => randomizedResponseRdp(event.noiseParameter, event.buckets, order, settings.relation));
      return;
    case "SingleEpochTreeAggregation":
      add((order) => singleEpochTreeRdp(event.noiseMultiplier, event.stepCounts, order));
      return;
    default: {
      const gaussian = gaussianEquivalent(event);
      if (gaussian === undefined) {
        throw unsupported(event, "of other events");
      }
      add((order) => order * gaussian.rho);
    }
  }
}

function sampledCurve(
  probability: number,
  inner: GaussianEquivalent,
  settings: RdpSettings,
): (order: number) => number {
  if (inner.rho === 0) {
    return () => 0;
  }
  const noiseMultiplier = 1 / Math.sqrt(2 * inner.rho);
  const at = (order: number): number =>
    sampledGaussianRdp(probability, noiseMultiplier, order, settings.fractionalOrders);
  if (inner.shape === "gaussian") {
    return at;
  }
  // Between integers only the Gaussian's own integral is known. Elsewhere the moments at integer orders are bounds
  // (each term of the binomial expansion is, and by symmetry this direction is the larger: Mironov, Talwar, Zhang 2019,
  // Theorem 5), and the logarithm of the moment is convex in the order.
  return (order) => {
    const low = Math.floor(order);
    if (low === order) {
      return at(order);
    }
    const share = order - low;
    const below = low === 1 ? 0 : at(low) * (low - 1);
    return ((1 - share) * below + share * at(low + 1) * low) / (order - 1);
  };
}

function unsupported(event: DpEvent, known: string): PrivacyError {
  return new PrivacyError(
    "UNSUPPORTED_EVENT",
    `No Rényi bound for this ${event.type}: the RDP accountant knows bounds ${known}. Use another accountant.`,
  );
}
