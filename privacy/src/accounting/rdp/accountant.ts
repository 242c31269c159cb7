import { PrivacyError } from "../../errors.js";
import { requireInteger } from "../../parameters.js";
import { type Accountant, type EpsilonBound, requireDelta, requireEpsilon, roundedUp } from "../accountant.js";
import type { DpEvent } from "../events.js";
import type { NeighbouringRelation } from "../relation.js";
import { deltaFromRdp, epsilonFromRdp } from "./conversion.js";
import { type RdpCurve, type RdpSettings, rdpCurve } from "./curves.js";
import type { FractionalOrders } from "./sampledGaussian.js";

/** The orders at which curves are kept: 1.1 to 10.9 by 0.1, 11 to 63, 128, 256, 512, 1024. */
export const RDP_ORDERS: readonly number[] = [
  ...Array.from({ length: 99 }, (_, i) => (11 + i) / 10),
  ...Array.from({ length: 53 }, (_, i) => 11 + i),
  128,
  256,
  512,
  1024,
];

/** Choices of an RDP accountant, all with a default. */
export interface RdpOptions {
  /** Who counts as a neighbour; add-or-remove-one unless told otherwise. */
  readonly relation?: NeighbouringRelation;
  /** Rényi orders, each above 1; `RDP_ORDERS` unless told otherwise. */
  readonly orders?: readonly number[];
  /** How the subsampled Gaussian is computed at fractional orders; "absolute", the conservative one, unless told. */
  readonly fractionalOrders?: FractionalOrders;
}

/**
 * An accountant on Rényi differential privacy (Mironov 2017): curves add up, order by order.
 *
 * @throws PrivacyError INVALID_PARAMETER when an order is not above 1
 */
export function rdpAccountant(options: RdpOptions = {}): Accountant {
  const orders = Float64Array.from(options.orders ?? RDP_ORDERS);
  if (orders.length === 0 || !orders.every((order) => order > 1 && Number.isFinite(order))) {
    throw new PrivacyError("INVALID_PARAMETER", "Rényi orders must be finite numbers above 1, at least one of them.");
  }
  const settings: RdpSettings = {
    orders,
    relation: options.relation ?? "add-or-remove-one",
    fractionalOrders: options.fractionalOrders ?? "absolute",
  };
  return new RdpAccountant(settings, { rdp: new Float64Array(orders.length), logKept: 0 }, new WeakMap());
}

class RdpAccountant implements Accountant {
  readonly #settings: RdpSettings;
  /** Curves of events met before, by identity: events are immutable, and rounds repeat theirs. */
  readonly #known: WeakMap<DpEvent, RdpCurve>;
  #total: RdpCurve;

  constructor(settings: RdpSettings, total: RdpCurve, known: WeakMap<DpEvent, RdpCurve>) {
    this.#settings = settings;
    this.#total = total;
    this.#known = known;
  }

  get relation(): NeighbouringRelation {
    return this.#settings.relation;
  }

  compose(event: DpEvent, count: number = 1): void {
    requireInteger("count", count, 0);
    let curve = this.#known.get(event);
    if (curve === undefined) {
      curve = rdpCurve(event, this.#settings);
      this.#known.set(event, curve);
    }
    if (count === 0) {
      return;
    }
    const { rdp, logKept } = curve;
    const before = this.#total;
    this.#total = {
      rdp: before.rdp.map((value, i) => value + count * (rdp[i] ?? 0)),
      logKept: before.logKept + count * logKept,
    };
  }

  epsilon(delta: number): EpsilonBound {
    requireDelta(delta);
    // 1 − δ = (1 − δ′)(1 − δ of the (ε, δ) parts)
    const left = -Math.expm1(Math.log1p(-delta) - this.#total.logKept);
    if (!(left > 0)) {
      return { epsilon: Number.POSITIVE_INFINITY };
    }
    const { epsilon, optimalOrder } = epsilonFromRdp(this.#settings.orders, this.#total.rdp, left);
    return optimalOrder === undefined ? { epsilon } : { epsilon: roundedUp(epsilon), optimalOrder };
  }

  delta(epsilon: number): number {
    requireEpsilon(epsilon);
    const delta = deltaFromRdp(this.#settings.orders, this.#total.rdp, epsilon);
    const failed = -Math.expm1(this.#total.logKept);
    return Math.min(1, roundedUp(delta + failed - delta * failed));
  }

  fork(): Accountant {
    return new RdpAccountant(this.#settings, this.#total, this.#known);
  }
}
