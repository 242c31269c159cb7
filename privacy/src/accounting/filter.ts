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
  readonly #settings: Omit<PrivacyBudget, "epsilon">;
  #accountant: Accountant;

  /** @throws PrivacyError DELTA_TOO_SMALL, INVALID_PARAMETER */
  constructor(settings: Omit<PrivacyBudget, "epsilon">) {
    requireDelta(settings.delta);
    this.#settings = settings;
    this.#accountant = accountantNamed(settings.accountant, settings.relation ?? "add-or-remove-one");
  }

  /** Counts an event that happened. @throws PrivacyError UNSUPPORTED_EVENT, and then nothing is counted */
  spend(event: DpEvent, count: number = 1): EpsilonReport {
    this.#accountant = after(this.#accountant, event, count);
    return this.spent();
  }

  /** What would be spent after this event; nothing is counted. @throws PrivacyError UNSUPPORTED_EVENT */
  preview(event: DpEvent, count: number = 1): EpsilonReport {
    return reportOf(after(this.#accountant, event, count), this.#settings);
  }

  /** What is spent so far. */
  spent(): EpsilonReport {
    return reportOf(this.#accountant, this.#settings);
  }
}

/**
 * Refuses before it is spent: an event that would bring the total above the budget is not counted, and must not run.
 * Valid for events chosen as one goes along: Lécuyer, "Practical Privacy Filters and Odometers with Rényi Differential
 * Privacy" (2021); for the other accountants, when the sequence of events is fixed in advance.
 */
export class PrivacyFilter {
  readonly budget: PrivacyBudget;
  #accountant: Accountant;

  /** @throws PrivacyError INVALID_PARAMETER, DELTA_TOO_SMALL */
  constructor(budget: PrivacyBudget) {
    requirePositive("epsilon", budget.epsilon);
    requireDelta(budget.delta);
    this.budget = budget;
    this.#accountant = accountantNamed(budget.accountant, budget.relation ?? "add-or-remove-one");
  }

  /** What is spent so far. */
  spent(): EpsilonReport {
    return reportOf(this.#accountant, this.budget);
  }

  /** What would be spent after this event; nothing is counted. @throws PrivacyError UNSUPPORTED_EVENT */
  preview(event: DpEvent, count: number = 1): EpsilonReport {
    return reportOf(after(this.#accountant, event, count), this.budget);
  }

  /** Whether `spend` would refuse. @throws PrivacyError UNSUPPORTED_EVENT */
  wouldExceed(event: DpEvent, count: number = 1): boolean {
    return !(this.preview(event, count).epsilon <= this.budget.epsilon);
  }

  /**
   * Counts an event that is about to happen.
   *
   * @returns the total after it
   * @throws PrivacyError BUDGET_EXCEEDED, and then nothing is counted; UNSUPPORTED_EVENT, likewise
   */
  spend(event: DpEvent, count: number = 1): EpsilonReport {
    const accountant = after(this.#accountant, event, count);
    const report = reportOf(accountant, this.budget);
    if (!(report.epsilon <= this.budget.epsilon)) {
      throw new PrivacyError(
        "BUDGET_EXCEEDED",
        `This ${event.type} would bring ε to ${report.epsilon} at δ ${report.delta}, above the budget of ` +
          `${this.budget.epsilon}. It was not counted: do not run it, or add noise until it fits.`,
      );
    }
    this.#accountant = accountant;
    return report;
  }
}

function after(accountant: Accountant, event: DpEvent, count: number): Accountant {
  const fork = accountant.fork();
  fork.compose(event, count);
  return fork;
}

function reportOf(accountant: Accountant, settings: Omit<PrivacyBudget, "epsilon">): EpsilonReport {
  return {
    ...accountant.epsilon(settings.delta),
    delta: settings.delta,
    accountant: settings.accountant,
    relation: accountant.relation,
  };
}
