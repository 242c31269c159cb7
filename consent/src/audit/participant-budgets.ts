// What each participant has spent: the events of the debited rounds it took part in.
import { type Accountant, accountantNamed, type DpEvent, epsilonOf } from "@fedloop/privacy";
import { parseEpsilon } from "../entries/scalars.js";
import type { ConsentRecord } from "../records/record.js";
import type { FindingSink } from "./finding.js";
import type { AuditedRound } from "./round-audit.js";

/** ε by two independent accountants; null where one cannot say. */
export interface RecomputedEpsilon {
  readonly rdp: number;
  readonly pld: number | null;
}

interface Participation {
  readonly rounds: AuditedRound[];
  limits: ConsentRecord["limits"];
  closeIndex: number;
}

/** Claims are rounded up to a millionth, so this is only slack for the last bits of another accountant's arithmetic. */
export const claimSlack: number = 1 - 1e-9;

/** ε of events by the PLD accountant, null where it does not know them. */
export function pldEpsilon(events: readonly DpEvent[], delta: number): number | null {
  try {
    return epsilonOf({ type: "Composed", events: composed(events) }, delta, "pld", "add-or-remove-one").epsilon;
  } catch {
    return null; // an event or δ that this accountant has no answer for; the RDP value stands
  }
}

/** Runs of one and the same event counted. */
export function composed(events: readonly DpEvent[]): DpEvent[] {
  const counts = new Map<DpEvent, number>();
  for (const event of events) counts.set(event, (counts.get(event) ?? 0) + 1);
  return [...counts].map(([event, count]) => (count === 1 ? event : { type: "SelfComposed", count, event }));
}

/** The participants of one population. */
export class ParticipantBudgets {
  readonly #sink: FindingSink;
  readonly #participants = new Map<string, Participation>();
  /** Participants of the same rounds share the answer. */
  readonly #spentBy = new Map<string, number>();
  readonly #empty: Accountant = accountantNamed("rdp", "add-or-remove-one");

  constructor(sink: FindingSink) {
    this.#sink = sink;
  }

  get size(): number {
    return this.#participants.size;
  }

  /** Counts a participant's part in a debited round, under the limits of the consent it took part by. */
  add(round: AuditedRound, subject: string, limits: ConsentRecord["limits"], closeIndex: number): void {
    const known = this.#participants.get(subject) ?? { rounds: [], limits, closeIndex };
    known.rounds.push(round);
    known.limits = limits;
    known.closeIndex = closeIndex;
    this.#participants.set(subject, known);
  }

  /** Holds every participant against its own limits, and answers the largest ε of one. */
  conclude(delta: number): RecomputedEpsilon {
    let largest = 0;
    let rounds: readonly AuditedRound[] = [];
    for (const [subject, participation] of this.#participants) {
      const spent = this.#checked(subject, participation, delta);
      if (spent > largest) {
        largest = spent;
        ({ rounds } = participation);
      }
    }
    return {
      rdp: largest,
      pld:
        largest === 0
          ? 0
          : pldEpsilon(
              rounds.map(({ event }) => event),
              delta,
            ),
    };
  }

  #checked(subject: string, { rounds, limits, closeIndex }: Participation, delta: number): number {
    const ownDelta = limits.delta === null ? delta : Math.min(delta, Number(limits.delta));
    if (limits.epsilon !== null) {
      const spent = this.#spent(rounds, ownDelta, closeIndex);
      if (spent * claimSlack > parseEpsilon(limits.epsilon))
        this.#sink.entry(
          "PARTICIPANT_LIMIT",
          closeIndex,
          `${subject} allowed ε ${limits.epsilon} at δ ${ownDelta}; its rounds give ${spent}.`,
        );
    }
    if (limits.rounds !== null && rounds.length > limits.rounds)
      this.#sink.entry(
        "PARTICIPANT_LIMIT",
        closeIndex,
        `${subject} allowed ${limits.rounds} rounds; it took part in ${rounds.length}.`,
      );
    return this.#spent(rounds, delta, closeIndex);
  }

  #spent(rounds: readonly AuditedRound[], delta: number, index: number): number {
    const key = `${delta}:${rounds.map(({ plan }) => plan.round).join()}`;
    const known = this.#spentBy.get(key);
    if (known !== undefined) return known;
    let epsilon = Number.POSITIVE_INFINITY;
    try {
      const accountant = this.#empty.fork();
      for (const { event } of rounds) accountant.compose(event);
      ({ epsilon } = accountant.epsilon(delta));
    } catch (error) {
      this.#sink.entry("BUDGET_INCOMPUTABLE", index, error instanceof Error ? error.message : String(error));
    }
    this.#spentBy.set(key, epsilon);
    return epsilon;
  }
}
