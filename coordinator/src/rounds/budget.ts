import { formatEpsilon, roundUpEpsilon } from "@fedloop/consent";
import { type DpEvent, epsilonOf } from "@fedloop/privacy";
import { CoordinatorError } from "../errors.js";

/** What a population or participant may spend in all. */
export interface BudgetCap {
  readonly epsilon: number;
  readonly delta: number;
}

/** Accountant of the enforced value. */
export const ACCOUNTANT = "rdp" as const;

/** An ε as the ledger claims it: rounded up to a millionth, "unbounded" for infinity. */
export function claimedEpsilon(epsilon: number): string {
  return formatEpsilon(roundUpEpsilon(epsilon));
}

/** The ε that a sequence of events has spent at δ. */
export function spentEpsilon(events: readonly DpEvent[], delta: number): number {
  if (events.length === 0) return 0;
  return epsilonOf({ type: "Composed", events: [...events] }, delta, ACCOUNTANT).epsilon;
}

/**
 * A population's privacy budget. A round reserves before anyone trains; what it reserved is spent when the noised sum
 * is made, and free again when the round was abandoned before that.
 */
export class PopulationBudget {
  readonly cap: BudgetCap;
  readonly #spent: DpEvent[];
  #reserved: DpEvent | undefined;

  /** @param spent events of all rounds whose noised sum was made, oldest first */
  constructor(cap: BudgetCap, spent: readonly DpEvent[]) {
    this.cap = cap;
    this.#spent = [...spent];
  }

  get spent(): number {
    return spentEpsilon(this.#spent, this.cap.delta);
  }

  get events(): readonly DpEvent[] {
    return this.#spent;
  }

  /**
   * Sets the cost of a round aside.
   *
   * @returns the population's ε after the round
   * @throws CoordinatorError BUDGET_EXCEEDED; nothing is then reserved
   */
  reserve(event: DpEvent): number {
    const after = this.#after(event);
    if (roundUpEpsilon(after) > this.cap.epsilon) {
      throw new CoordinatorError(
        "BUDGET_EXCEEDED",
        `expected the population to stay at ε ≤ ${this.cap.epsilon} (δ = ${this.cap.delta}), the round would bring it to ` +
          `${claimedEpsilon(after)}; raise the cap by a new policy, or end the training here`,
      );
    }
    this.#reserved = event;
    return after;
  }

  /** Whether a round of this cost could be reserved. */
  allows(event: DpEvent): boolean {
    return roundUpEpsilon(this.#after(event)) <= this.cap.epsilon;
  }

  release(): void {
    this.#reserved = undefined;
  }

  /** Turns the reservation into spending. @returns the population's ε */
  debit(): number {
    if (this.#reserved === undefined) throw new CoordinatorError("INTERNAL", "expected a reservation before a debit");
    this.#spent.push(this.#reserved);
    this.#reserved = undefined;
    return this.spent;
  }

  #after(event: DpEvent): number {
    return spentEpsilon([...this.#spent, event], this.cap.delta);
  }
}

/**
 * What each participant has spent: the events of the rounds that counted it. Most share the same history, so ε is
 * computed once for each distinct one.
 */
export class ParticipantBudgets {
  readonly #histories = new Map<string, readonly number[]>();
  readonly #epsilons = new Map<string, number>();
  readonly #events: DpEvent[] = [];

  /** Counts an event for all these participants. */
  debit(event: DpEvent, subjects: Iterable<string>): void {
    const index = this.#events.push(event) - 1;
    for (const subject of subjects) this.#histories.set(subject, [...(this.#histories.get(subject) ?? []), index]);
  }

  /** ε of a participant at δ if this event were added; `undefined` for what it has spent so far. */
  epsilonWith(subject: string, event: DpEvent | undefined, delta: number): number {
    const history = this.#histories.get(subject) ?? [];
    const key = `${delta}|${history.join(",")}|${event === undefined ? "" : JSON.stringify(event)}`;
    const known = this.#epsilons.get(key);
    if (known !== undefined) return known;
    const events = history.flatMap((index) => this.#events[index] ?? []);
    const epsilon = spentEpsilon(event === undefined ? events : [...events, event], delta);
    this.#epsilons.set(key, epsilon);
    return epsilon;
  }

  rounds(subject: string): number {
    return this.#histories.get(subject)?.length ?? 0;
  }
}
