import { requireInteger } from "../../parameters.js";
import { type Accountant, type EpsilonBound, requireDelta, requireEpsilon, roundedUp } from "../accountant.js";
import type { DpEvent } from "../events.js";
import { gaussianDelta, gaussianEpsilon } from "../gaussian.js";
import { RDP_ORDERS, rdpAccountant } from "../rdp/accountant.js";
import { deltaFromRdp, epsilonFromRdp } from "../rdp/conversion.js";
import { type NeighbouringRelation, requireRelation } from "../relation.js";
import { AtomLosses } from "./atomLosses.js";
import { largestLoss } from "./atoms.js";
import { addEvent, type Breakdown, copyBreakdown, emptyBreakdown } from "./components.js";
import { composeOnGrid, FINEST_INTERVAL, type GridResult } from "./grid.js";
import { deltaOf, epsilonFor } from "./hockeyStick.js";

/** Choices of a PLD accountant, all with a default. */
export interface PldOptions {
  /** Who counts as a neighbour; add-or-remove-one unless told otherwise. */
  readonly relation?: NeighbouringRelation;
}

/**
 * An accountant on privacy loss distributions (Meiser and Mohammadi 2018; Koskela et al. 2020): losses of independent
 * releases add up, so their distributions convolve. Tighter than Rényi, and slower. Mechanisms of which only a Rényi
 * curve is known take part through the δ(ε) that the curve implies.
 */
export function pldAccountant(options: PldOptions = {}): Accountant {
  return new PldAccountant(options.relation ?? "add-or-remove-one", emptyBreakdown(), undefined);
}

/** Where the grid may account for more than this part of ε, the Rényi accountant is asked too. */
const COARSE = 1e-3;

const ORDERS: Float64Array = Float64Array.from(RDP_ORDERS);

class PldAccountant implements Accountant {
  readonly relation: NeighbouringRelation;
  #breakdown: Breakdown;
  #history: History | undefined;
  #answers: Answers | undefined;

  constructor(relation: NeighbouringRelation, breakdown: Breakdown, history: History | undefined) {
    this.relation = relation;
    this.#breakdown = breakdown;
    this.#history = history;
  }

  compose(event: DpEvent, count: number = 1): void {
    requireInteger("count", count, 0);
    requireRelation(event, this.relation);
    const after = copyBreakdown(this.#breakdown);
    addEvent(event, count, this.relation, after);
    this.#breakdown = after;
    this.#history = { event, count, before: this.#history };
    this.#answers = undefined;
  }

  epsilon(delta: number): EpsilonBound {
    requireDelta(delta);
    return { epsilon: roundedUp(this.#answer().epsilon(delta)) };
  }

  delta(epsilon: number): number {
    requireEpsilon(epsilon);
    return Math.min(1, roundedUp(this.#answer().delta(epsilon)));
  }

  fork(): Accountant {
    return new PldAccountant(this.relation, this.#breakdown, this.#history);
  }

  #answer(): Answers {
    this.#answers ??= this.#compute();
    return this.#answers;
  }

  #compute(): Answers {
    const { exposed, gaussianRho, components, rdp, logKept } = this.#breakdown;
    const curveOnly = components.size === 0 && gaussianRho === 0;
    if (exposed || !Number.isFinite(gaussianRho)) {
      return UNPROTECTED;
    }
    if (curveOnly) {
      return fromRdp(rdp, logKept);
    }
    if (components.size === 0 && logKept === 0 && rdp.every((value) => value === 0)) {
      const noiseMultiplier = 1 / Math.sqrt(2 * gaussianRho);
      return {
        epsilon: (delta) => gaussianEpsilon(noiseMultiplier, delta),
        delta: (epsilon) => gaussianDelta(noiseMultiplier, epsilon),
      };
    }
    const single = singleRelease(this.#breakdown);
    if (single !== undefined) {
      return single;
    }
    const grid = composeOnGrid(this.#breakdown);
    if (grid === undefined) {
      return this.#fromRenyi();
    }
    const fine = fromGrid(grid);
    return {
      // Of very many compositions that cost very little each, the grid sees mostly itself; both bounds hold.
      epsilon: (delta) => {
        const epsilon = fine.epsilon(delta);
        return grid.slack > COARSE * epsilon ? Math.min(epsilon, this.#fromRenyi().epsilon(delta)) : epsilon;
      },
      delta: (epsilon) => {
        const delta = fine.delta(epsilon);
        return grid.slack > COARSE * epsilon ? Math.min(delta, this.#fromRenyi().delta(epsilon)) : delta;
      },
    };
  }

  /** The Rényi accountant's answers: also for losses beyond any grid. */
  #fromRenyi(): Answers {
    const accountant = rdpAccountant({ relation: this.relation });
    for (let item = this.#history; item !== undefined; item = item.before) {
      accountant.compose(item.event, item.count);
    }
    return {
      epsilon: (delta) => accountant.epsilon(delta).epsilon,
      delta: (epsilon) => accountant.delta(epsilon),
    };
  }
}

/** What was composed, latest first. */
interface History {
  readonly event: DpEvent;
  readonly count: number;
  readonly before: History | undefined;
}

interface Answers {
  epsilon(delta: number): number;
  delta(epsilon: number): number;
}

const UNPROTECTED: Answers = { epsilon: () => Number.POSITIVE_INFINITY, delta: () => 1 };

/** Outcomes beyond this many are quicker on a grid. */
const MOST_SORTED = 4096;

/** e to the power of a larger loss, times a mass of its inverse, has no digits left. */
const LARGEST_EXPONENT = 300;

/** One release of one discrete mechanism, and nothing else. */
function singleRelease({ components, gaussianRho, logKept, rdp }: Breakdown): Answers | undefined {
  const [only, ...others] = components.values();
  if (only === undefined || others.length > 0 || only.count !== 1 || only.component.type !== "atoms") return undefined;
  if (gaussianRho > 0 || logKept !== 0 || rdp.some((value) => value !== 0)) return undefined;
  const { remove, add } = only.component;
  const directions = add === undefined ? [remove] : [remove, add];
  if (directions.some((atoms) => atoms.losses.length > MOST_SORTED || largestLoss(atoms) > LARGEST_EXPONENT)) {
    return undefined;
  }
  const losses = directions.map((atoms) => new AtomLosses(atoms, FINEST_INTERVAL));
  return {
    epsilon: (delta) => losses.reduce((most, each) => Math.max(most, each.epsilon(delta)), 0),
    delta: (epsilon) => losses.reduce((most, each) => Math.max(most, each.delta(epsilon)), 0),
  };
}

function fromRdp(rdp: Float64Array, logKept: number): Answers {
  return {
    epsilon: (delta) => {
      const left = -Math.expm1(Math.log1p(-delta) - logKept);
      return left > 0 ? epsilonFromRdp(ORDERS, rdp, left).epsilon : Number.POSITIVE_INFINITY;
    },
    delta: (epsilon) => {
      const delta = deltaFromRdp(ORDERS, rdp, epsilon);
      const failed = -Math.expm1(logKept);
      return delta + failed - delta * failed;
    },
  };
}

function fromGrid({ directions }: GridResult): Answers {
  return {
    epsilon: (delta) =>
      directions.reduce((most, { loss, range }) => {
        // Where δ is near the rounding of the transform, moments give a bound that has none.
        const coarse = Math.max(0, range.epsilonFor(delta - range.infinite));
        return Math.max(
          most,
          Math.min(epsilonFor(loss, delta), delta > range.infinite ? coarse : Number.POSITIVE_INFINITY),
        );
      }, 0),
    delta: (epsilon) => directions.reduce((most, { loss }) => Math.max(most, deltaOf(loss, epsilon)), 0),
  };
}
