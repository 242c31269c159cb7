import type { DpEvent } from "@fedloop/privacy";
import type { RoundCost } from "./budget.js";
import { countedEpsilon } from "./epsilons.js";
import type { CountedEvent } from "./event-tally.js";

/** A participant's part in a run. */
export interface RunPart {
  /** The newest of its steps. */
  readonly lastStep: number;
  readonly times: number;
}

/**
 * What was paid for, as pairs of numbers: an event's index, and how often; in the order in which each was first. A round takes place
 * hundreds of times, and a million participants have an account each.
 */
type History = readonly number[];

interface Account {
  readonly events: History;
  readonly rounds: number;
  readonly runs: ReadonlyMap<string, RunPart>;
}

const NEW_ACCOUNT: Account = { events: [], rounds: 0, runs: new Map() };

/** As many ε of distinct histories are kept; most participants share one of a few hundred. */
const KNOWN_EPSILONS = 10_000;

/**
 * What each participant has spent: the events of the rounds that counted it, a run's once. Most share the same history, so
 * ε is computed once for each distinct one.
 */
export class ParticipantBudgets {
  readonly #accounts = new Map<string, Account>();
  readonly #epsilons = new Map<string, number>();
  readonly #events: DpEvent[] = [];
  readonly #indices = new Map<string, number>();

  /**
   * Counts a round for all these participants.
   *
   * @param step of its run, where it is part of one
   */
  debit({ event, run }: RoundCost, subjects: Iterable<string>, step = 0): void {
    const index = this.#indexOf(event);
    for (const subject of subjects) {
      const { events, rounds, runs } = this.#accounts.get(subject) ?? NEW_ACCOUNT;
      const part = run === null ? undefined : runs.get(run);
      this.#accounts.set(subject, {
        events: part === undefined ? oneMore(events, index) : events,
        rounds: rounds + 1,
        runs: run === null ? runs : new Map(runs).set(run, { lastStep: step, times: (part?.times ?? 0) + 1 }),
      });
    }
  }

  /** ε of a participant at δ if this were counted too; `undefined` for what it has spent so far. */
  epsilonWith(subject: string, cost: RoundCost | undefined, delta: number): number {
    const { events, runs } = this.#accounts.get(subject) ?? NEW_ACCOUNT;
    const isPaid = cost !== undefined && cost.run !== null && runs.has(cost.run);
    const history = cost === undefined || isPaid ? events : oneMore(events, this.#indexOf(cost.event));
    const key = `${delta}|${history.join(",")}`;
    const known = this.#epsilons.get(key);
    if (known !== undefined) return known;
    const epsilon = countedEpsilon([...this.#counted(history)], delta);
    if (this.#epsilons.size >= KNOWN_EPSILONS) this.#epsilons.clear();
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

  *#counted(history: History): Generator<CountedEvent> {
    for (let at = 0; at < history.length; at += 2) {
      const event = this.#events[history[at] ?? 0];
      if (event !== undefined) yield { event, count: history[at + 1] ?? 0 };
    }
  }

  /** Rounds of the same plan cost the same event. */
  #indexOf(event: DpEvent): number {
    const key = JSON.stringify(event);
    const known = this.#indices.get(key);
    if (known !== undefined) return known;
    const index = this.#events.push(event) - 1;
    this.#indices.set(key, index);
    return index;
  }
}

function oneMore(history: History, index: number): History {
  const at = history.findIndex((value, place) => place % 2 === 0 && value === index);
  return at < 0 ? [...history, index, 1] : history.with(at + 1, (history[at + 1] ?? 0) + 1);
}
