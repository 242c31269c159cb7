import { PrivacyError } from "../../errors.js";
import type { DpEvent, PoissonSampledEvent } from "../events.js";
import { type GaussianEquivalent, gaussianEquivalent } from "../gaussianEquivalent.js";
import { type NeighbouringRelation, requireRelation } from "../relation.js";
import { fixedSizeSampleRdp } from "./fixedSizeSample.js";
import {
  distributedDiscreteGaussianRdp,
  exponentialRdp,
  laplaceRdp,
  pureRdp,
  randomizedResponseRdp,
  skellamRdp,
} from "./mechanisms.js";
import { type FractionalOrders, sampledGaussianRdp, sampledRdp } from "./sampledGaussian.js";

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
    case "DiscreteLaplace":
      add((order) => pureRdp(event.noiseParameter * event.sensitivity, order));
      return;
    case "Skellam":
      add(interpolated((order) => skellamRdp(event, order)));
      return;
    case "DistributedDiscreteGaussian":
      if (event.noiseStdDev < 0.5) {
        throw unsupported(event, "for a noise of each device of at least half an integer step");
      }
      add(distributedDiscreteGaussianRdp(event));
      return;
    case "MixtureOfGaussians": {
      // A mixture is no farther from the Gaussian than its farthest part: Rényi divergence is quasi-convex.
      const farthest = event.sensitivities.reduce(
        (most, s, i) => (event.probabilities[i] === 0 ? most : Math.max(most, s)),
        0,
      );
      const ratio = farthest / event.standardDeviation;
      add((order) => (order * ratio * ratio) / 2);
      return;
    }
    case "PoissonSampled": {
      if (settings.relation === "replace-one") {
        throw unsupported(event, "of Poisson samples under add-or-remove-one and replace-special only");
      }
      const gaussian = gaussianEquivalent(event.event);
      add(
        gaussian === undefined || gaussian.shape === "any"
          ? sampledCurveOfAny(event, settings)
          : sampledCurve(event.samplingProbability, gaussian, settings),
      );
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
  // Between integers only the Gaussian's own integral is known. At integers each term of the binomial expansion is a
  // bound, and by symmetry this direction is the larger (Mironov, Talwar, Zhang 2019, Theorem 5).
  return interpolated(at);
}

/** The inner event's curve at integer orders, through the bound that holds for any mechanism. */
function sampledCurveOfAny(event: PoissonSampledEvent, settings: RdpSettings): (order: number) => number {
  const largest = settings.orders.reduce((most, order) => Math.max(most, Math.ceil(order)), 2);
  const orders = Float64Array.from({ length: largest - 1 }, (_, i) => i + 2);
  const inner = rdpCurve(event.event, { ...settings, orders });
  if (inner.logKept < 0) {
    throw unsupported(event, "of mechanisms without a δ of their own under it");
  }
  return interpolated((order) => sampledRdp(event.samplingProbability, inner.rdp, order));
}

/**
 * A curve known at integer orders from 2, continued to all orders above 1: the logarithm of the moment, (α−1)·RDP(α), is
 * convex in α and 0 at 1.
 */
function interpolated(at: (order: number) => number): (order: number) => number {
  const known = new Map<number, number>();
  const logMoment = (order: number): number => {
    const value = known.get(order) ?? (order === 1 ? 0 : at(order) * (order - 1));
    known.set(order, value);
    return value;
  };
  return (order) => {
    const low = Math.floor(order);
    const share = order - low;
    const moment = share === 0 ? logMoment(low) : (1 - share) * logMoment(low) + share * logMoment(low + 1);
    return moment / (order - 1);
  };
}

function unsupported(event: DpEvent, known: string): PrivacyError {
  return new PrivacyError(
    "UNSUPPORTED_EVENT",
    `No Rényi bound for this ${event.type}: the RDP accountant knows bounds ${known}.`,
  );
}
