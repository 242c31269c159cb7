// What each participant has spent: the events of the debited rounds it took part in.
import { type Accountant, type DpEvent, defaultRelation, epsilonOf } from "@fedloop/privacy";
import { parseEpsilon } from "../entries/scalars.js";
import type { ConsentRecord } from "../records/record.js";
import type { FindingSink } from "./finding.js";
import type { AuditedRound } from "./round-audit.js";
import { runOf } from "./run-audit.js";

/** ε by two independent accountants; null where one cannot say. */
export interface RecomputedEpsilon {
  readonly rdp: number;
  readonly pld: number | null;
}

/** The largest ε of one participant after a round. */
export interface ParticipantStep {
  readonly round: number;
  readonly epsilon: number;
}

interface Participation {
  /** How often each event was met. */
  readonly counts: Map<DpEvent, number>;
  /** Runs whose event is among them. */
  readonly runs: Set<string>;
  rounds: number;
  limits: ConsentRecord["limits"];
  closeIndex: number;
}

/** Claims are rounded up to a millionth, so this is only slack for the last bits of another accountant's arithmetic. */
export const claimSlack: number = 1 - 1e-9;

/** ε of events by the PLD accountant, null where it does not know them. */
export function pldEpsilon(counts: ReadonlyMap<DpEvent, number>, delta: number): number | null {
  try {
    const event = composed(counts);
    return epsilonOf(event, delta, "pld", defaultRelation(event)).epsilon;
  } catch {
    return null; // an event or δ that this accountant has no answer for; the RDP value stands
  }
}

/** One event of counted events. */
export function composed(counts: ReadonlyMap<DpEvent, number>): DpEvent {
  const events = [...counts].map(
    ([event, count]): DpEvent => (count === 1 ? event : { type: "SelfComposed", count, event }),
  );
  return { type: "Composed", events };
}

/** Counts one more of an event. */
export function countEvent(counts: Map<DpEvent, number>, event: DpEvent): void {
  counts.set(event, (counts.get(event) ?? 0) + 1);
}

/** The participants of one population. */
export class ParticipantBudgets {
  readonly #sink: FindingSink;
  readonly #delta: () => number;
  readonly #participants = new Map<string, Participation>();
  readonly #history: ParticipantStep[] = [];
  /** Participants of the same events share the answer. */
  readonly #spentBy = new Map<string, number>();
  readonly #names = new Map<DpEvent, number>();
  readonly #empty: () => Accountant;
  #largest = 0;
  #largestCounts: ReadonlyMap<DpEvent, number> = new Map();

  /** @param empty forks of it share the curves of events they have met */
  constructor(sink: FindingSink, empty: () => Accountant, delta: () => number) {
    this.#sink = sink;
    this.#empty = empty;
    this.#delta = delta;
  }

  get size(): number {
    return this.#participants.size;
  }

  /** The largest ε of one participant after each round, in the order of the rounds' closes. */
  get history(): readonly ParticipantStep[] {
    return this.#history;
  }

  /** Counts a participant's part in a debited round, under the limits of the consent it took part by. */
  add(round: AuditedRound, subject: string, limits: ConsentRecord["limits"], closeIndex: number): void {
    const { event, plan } = round;
    const known = this.#participants.get(subject) ?? {
      counts: new Map<DpEvent, number>(),
      runs: new Set<string>(),
      rounds: 0,
      limits,
      closeIndex,
    };
    const run = runOf(round);
    if (run === undefined || !known.runs.has(run)) countEvent(known.counts, event);
    if (run !== undefined) known.runs.add(run);
    known.rounds++;
    known.limits = limits;
    known.closeIndex = closeIndex;
    this.#participants.set(subject, known);
    const spent = this.#spent(known.counts, this.#delta(), closeIndex);
    if (spent > this.#largest) {
      this.#largest = spent;
      this.#largestCounts = new Map(known.counts);
    }
    if (this.#history.at(-1)?.round === plan.round) this.#history.pop();
    this.#history.push({ round: plan.round, epsilon: this.#largest });
  }

  /** Holds every participant against its own limits, and answers the largest ε of one. */
  conclude(): RecomputedEpsilon {
    for (const [subject, participation] of this.#participants) this.#checkLimits(subject, participation);
    return { rdp: this.#largest, pld: this.#largest === 0 ? 0 : pldEpsilon(this.#largestCounts, this.#delta()) };
  }

  #checkLimits(subject: string, { counts, rounds, limits, closeIndex }: Participation): void {
    if (limits.rounds !== null && rounds > limits.rounds)
      this.#sink.entry(
        "PARTICIPANT_LIMIT",
        closeIndex,
        `${subject} allowed ${limits.rounds} rounds; it took part in ${rounds}.`,
      );
    if (limits.epsilon === null) return;
    const delta = limits.delta === null ? this.#delta() : Math.min(this.#delta(), Number(limits.delta));
    const spent = this.#spent(counts, delta, closeIndex);
    if (spent * claimSlack > parseEpsilon(limits.epsilon))
      this.#sink.entry(
        "PARTICIPANT_LIMIT",
        closeIndex,
        `${subject} allowed ε ${limits.epsilon} at δ ${delta}; its rounds give ${spent}.`,
      );
  }

  #spent(counts: ReadonlyMap<DpEvent, number>, delta: number, index: number): number {
    const key = `${delta}:${[...counts].map(([event, count]) => `${this.#nameOf(event)}x${count}`).sort()}`;
    const known = this.#spentBy.get(key);
    if (known !== undefined) return known;
    let epsilon = Number.POSITIVE_INFINITY;
    try {
      const accountant = this.#empty().fork();
      for (const [event, count] of counts) accountant.compose(event, count);
      ({ epsilon } = accountant.epsilon(delta));
    } catch (error) {
      this.#sink.entry("BUDGET_INCOMPUTABLE", index, error instanceof Error ? error.message : String(error));
    }
    this.#spentBy.set(key, epsilon);
    return epsilon;
  }

  #nameOf(event: DpEvent): number {
    const name = this.#names.get(event) ?? this.#names.size;
    this.#names.set(event, name);
    return name;
  }
}
