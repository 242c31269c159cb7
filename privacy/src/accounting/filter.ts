import { PrivacyError } from "../errors.js";
import { requirePositive } from "../parameters.js";
import { type Accountant, requireDelta } from "./accountant.js";
import { type AccountantName, accountantNamed, type EpsilonReport } from "./epsilon.js";
import type { DpEvent } from "./events.js";
import type { NeighbouringRelation } from "./relation.js";

/** A budget, and how it is counted. */
export interface PrivacyBudget {
  readonly epsilon: number;
  readonly delta: number;
  readonly accountant: AccountantName;
  readonly relation?: NeighbouringRelation;
}

/**
 * Measures what has been spent, without a limit. A restarted process composes the recorded events again.
 */
export class BudgetOdometer {
  readonly #name: AccountantName;
  readonly #delta: number;
  #accountant: Accountant;

  /** @throws PrivacyError DELTA_TOO_SMALL, INVALID_PARAMETER */
  constructor(settings: Omit<PrivacyBudget, "epsilon">) {
    this.#delta = requireDelta(settings.delta);
    this.#name = settings.accountant;
    this.#accountant = accountantNamed(settings.accountant, settings.relation ?? "add-or-remove-one");
  }

  /** Counts an event that happened. @throws PrivacyError UNSUPPORTED_EVENT, and then nothing is counted */
  spend(event: DpEvent, count: number = 1): EpsilonReport {
    const after = this.#accountant.fork();
    after.compose(event, count);
    const report = this.#report(after);
    this.#accountant = after;
    return report;
  }

  /** What would be spent after this event; nothing is counted. @throws PrivacyError UNSUPPORTED_EVENT */
  preview(event: DpEvent, count: number = 1): EpsilonReport {
    const after = this.#accountant.fork();
    after.compose(event, count);
    return this.#report(after);
  }

  /** What is spent so far. */
  spent(): EpsilonReport {
    return this.#report(this.#accountant);
  }

  #report(accountant: Accountant): EpsilonReport {
    return {
      ...accountant.epsilon(this.#delta),
      delta: this.#delta,
      accountant: this.#name,
      relation: accountant.relation,
    };
  }
}

/**
 * Refuses before it is spent: an event that would bring the total above the budget is not counted, and must not run.
 * Valid for events chosen as one goes along: Lécuyer, "Practical Privacy Filters and Odometers with Rényi Differential
 * Privacy" (2021), Theorem 1; for the other accountants, when the sequence of events is fixed in advance.
 */
export class PrivacyFilter {
  readonly budget: PrivacyBudget;
  readonly #odometer: BudgetOdometer;

  /** @throws PrivacyError INVALID_PARAMETER, DELTA_TOO_SMALL */
  constructor(budget: PrivacyBudget) {
    requirePositive("epsilon", budget.epsilon);
    this.budget = budget;
    this.#odometer = new BudgetOdometer(budget);
  }

  /** What is spent so far. */
  spent(): EpsilonReport {
    return this.#odometer.spent();
  }

  /** What would be spent after this event; nothing is counted. @throws PrivacyError UNSUPPORTED_EVENT */
  preview(event: DpEvent, count: number = 1): EpsilonReport {
    return this.#odometer.preview(event, count);
  }

  /** Whether `spend` would refuse. @throws PrivacyError UNSUPPORTED_EVENT */
  wouldExceed(event: DpEvent, count: number = 1): boolean {
    return !(this.#odometer.preview(event, count).epsilon <= this.budget.epsilon);
  }

  /**
   * Counts an event that is about to happen.
   *
   * @returns the total after it
   * @throws PrivacyError BUDGET_EXCEEDED, and then nothing is counted; UNSUPPORTED_EVENT, likewise
   */
  spend(event: DpEvent, count: number = 1): EpsilonReport {
    const after = this.#odometer.preview(event, count);
    if (!(after.epsilon <= this.budget.epsilon)) {
      throw new PrivacyError(
        "BUDGET_EXCEEDED",
        `This ${event.type} would bring ε to ${after.epsilon} at δ ${after.delta}, above the budget of ` +
          `${this.budget.epsilon}. It was not counted: do not run it, or add noise until it fits.`,
      );
    }
    return this.#odometer.spend(event, count);
  }
}
