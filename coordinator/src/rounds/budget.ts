import { roundUpEpsilon } from "@fedloop/consent";
import type { DpEvent } from "@fedloop/privacy";
import { CoordinatorError } from "../errors.js";
import { claimedEpsilon, countedEpsilons, type Epsilons } from "./epsilons.js";
import { EventTally } from "./event-tally.js";

/** What a population or participant may spend in all. */
export interface BudgetCap {
  readonly epsilon: number;
  readonly delta: number;
}

/** What a round costs. */
export interface RoundCost {
  readonly event: DpEvent;
  /** Rounds of one run share its event: it is paid for once, by the first of them. Null for a round by itself. */
  readonly run: string | null;
}

/** The events to be composed: those of rounds by themselves, and one for each run. */
export function eventsOf(costs: Iterable<RoundCost>): DpEvent[] {
  const runs = new Set<string>();
  const events: DpEvent[] = [];
  for (const { event, run } of costs) {
    if (run !== null && runs.has(run)) continue;
    if (run !== null) runs.add(run);
    events.push(event);
  }
  return events;
}

/**
 * A population's privacy budget. A round reserves before anyone trains; what it reserved is spent when the noised sum
 * is made, and free again when the round was abandoned before that. ε is that of the accountant that finds more.
 */
export class PopulationBudget {
  readonly cap: BudgetCap;
  readonly #costs: RoundCost[] = [];
  readonly #events = new EventTally();
  readonly #runs = new Set<string>();
  /** What the costs before come to, and with which one more: most questions are asked again. */
  readonly #known = new Map<string, Epsilons>();
  #reserved: RoundCost | undefined;

  /** @param spent costs of all rounds whose noised sum was made, oldest first */
  constructor(cap: BudgetCap, spent: readonly RoundCost[]) {
    this.cap = cap;
    for (const cost of spent) this.#add(cost);
  }

  /** ε so far. */
  get spent(): number {
    return this.epsilons.enforced;
  }

  /** ε so far, by each accountant. */
  get epsilons(): Epsilons {
    return this.#epsilons(undefined);
  }

  get costs(): readonly RoundCost[] {
    return this.#costs;
  }

  /** What is set aside for the round under way. */
  get reserved(): RoundCost | undefined {
    return this.#reserved;
  }

  /** ε once this were spent too, by each accountant. */
  after(cost: RoundCost): Epsilons {
    return this.#epsilons(cost);
  }

  /**
   * Sets the cost of a round aside.
   *
   * @returns the population's ε after the round
   * @throws CoordinatorError BUDGET_EXCEEDED; nothing is then reserved
   */
  reserve(cost: RoundCost): number {
    const { enforced } = this.after(cost);
    if (roundUpEpsilon(enforced) > this.cap.epsilon) {
      throw new CoordinatorError(
        "BUDGET_EXCEEDED",
        `expected the population to stay at ε ≤ ${this.cap.epsilon} (δ = ${this.cap.delta}), the round would bring it to ` +
          `${claimedEpsilon(enforced)}; raise the cap by a new policy, or end the training here`,
      );
    }
    this.#reserved = cost;
    return enforced;
  }

  /** Whether a round of this cost could be reserved. */
  allows(cost: RoundCost): boolean {
    return roundUpEpsilon(this.after(cost).enforced) <= this.cap.epsilon;
  }

  release(): void {
    this.#reserved = undefined;
  }

  /** Turns the reservation into spending. @returns the population's ε */
  debit(): number {
    if (this.#reserved === undefined) throw new CoordinatorError("INTERNAL", "expected a reservation before a debit");
    this.#add(this.#reserved);
    this.#reserved = undefined;
    return this.spent;
  }

  #add(cost: RoundCost): void {
    this.#costs.push(cost);
    if (this.#isNew(cost)) this.#events.add(cost.event);
    if (cost.run !== null) this.#runs.add(cost.run);
  }

  /** Whether it is yet to be paid for: a run's event is once. */
  #isNew({ run }: RoundCost): boolean {
    return run === null || !this.#runs.has(run);
  }

  #epsilons(next: RoundCost | undefined): Epsilons {
    const more = next !== undefined && this.#isNew(next) ? next.event : undefined;
    const key = JSON.stringify([this.#costs.length, more]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const events = more === undefined ? this.#events.counted : this.#events.with(more);
    const epsilons = countedEpsilons(events, this.cap.delta);
    if (this.#known.size > 8) this.#known.clear();
    this.#known.set(key, epsilons);
    return epsilons;
  }
}
