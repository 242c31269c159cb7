import type { DpEvent } from "@fedloop/privacy";
import type { RoundCost } from "./budget.js";
import { spentEpsilon } from "./epsilons.js";

/** A participant's part in a run. */
export interface RunPart {
  /** The newest of its steps. */
  readonly lastStep: number;
  readonly times: number;
}

interface Account {
  /** Indices of the events that it pays for. */
  readonly events: readonly number[];
  readonly rounds: number;
  readonly runs: ReadonlyMap<string, RunPart>;
}

const NEW_ACCOUNT: Account = { events: [], rounds: 0, runs: new Map() };

/**
 * What each participant has spent: the events of the rounds that counted it, a run's once. Most share the same history, so
 * ε is computed once for each distinct one.
 */
export class ParticipantBudgets {
  readonly #accounts = new Map<string, Account>();
  readonly #epsilons = new Map<string, number>();
  readonly #events: DpEvent[] = [];
  readonly #runs = new Map<string, number>();

  /**
   * Counts a round for all these participants.
   *
   * @param step of its run, where it is part of one
   */
  debit({ event, run }: RoundCost, subjects: Iterable<string>, step = 0): void {
    const index = this.#indexOf(event, run);
    for (const subject of subjects) {
      const { events, rounds, runs } = this.#accounts.get(subject) ?? NEW_ACCOUNT;
      const part = run === null ? undefined : runs.get(run);
      this.#accounts.set(subject, {
        events: part === undefined ? [...events, index] : events,
        rounds: rounds + 1,
        runs: run === null ? runs : new Map(runs).set(run, { lastStep: step, times: (part?.times ?? 0) + 1 }),
      });
    }
  }

  /** ε of a participant at δ if this were counted too; `undefined` for what it has spent so far. */
  epsilonWith(subject: string, cost: RoundCost | undefined, delta: number): number {
    const { events: history, runs } = this.#accounts.get(subject) ?? NEW_ACCOUNT;
    const isPaid = cost !== undefined && cost.run !== null && runs.has(cost.run);
    const next = cost === undefined || isPaid ? undefined : cost.event;
    const key = `${delta}|${history.join(",")}|${next === undefined ? "" : JSON.stringify(next)}`;
    const known = this.#epsilons.get(key);
    if (known !== undefined) return known;
    const events = history.flatMap((index) => this.#events[index] ?? []);
    const epsilon = spentEpsilon(next === undefined ? events : [...events, next], delta);
    this.#epsilons.set(key, epsilon);
    return epsilon;
  }

  rounds(subject: string): number {
    return this.#accounts.get(subject)?.rounds ?? 0;
  }

  /** Its part in a run; undefined when it has none yet. */
  partIn(run: string, subject: string): RunPart | undefined {
    return this.#accounts.get(subject)?.runs.get(run);
  }

  /** Everyone who has been counted. */
  subjects(): IterableIterator<string> {
    return this.#accounts.keys();
  }

  #indexOf(event: DpEvent, run: string | null): number {
    const known = run === null ? undefined : this.#runs.get(run);
    const index = known ?? this.#events.push(event) - 1;
    if (run !== null) this.#runs.set(run, index);
    return index;
  }
}
