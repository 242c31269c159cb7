import { formatEpsilon, roundUpEpsilon } from "@fedloop/consent";
import { type AccountantName, type DpEvent, defaultRelation, epsilonOf, PrivacyError } from "@fedloop/privacy";
import { type CountedEvent, EventTally } from "./event-tally.js";

/** Accountant of the ledger's claims, and of what each participant has spent. */
export const ACCOUNTANT = "rdp" as const;

/** What events cost, by both accountants. */
export interface Epsilons {
  readonly rdp: number;
  /** Null where that accountant knows no bound for these events. */
  readonly pld: number | null;
  /** The larger: what is held against caps. Each is an upper bound by itself, so this one errs on the safe side twice. */
  readonly enforced: number;
}

export const NOTHING_SPENT: Epsilons = { rdp: 0, pld: 0, enforced: 0 };

/** An ε as the ledger claims it: rounded up to a millionth, "unbounded" for infinity. */
export function claimedEpsilon(epsilon: number): string {
  return formatEpsilon(roundUpEpsilon(epsilon));
}

/** The ε that a sequence of events has spent at δ, by the accountant of the ledger's claims. */
export function spentEpsilon(events: readonly DpEvent[], delta: number): number {
  return countedEpsilon(counted(events), delta);
}

/** The same of events that are counted already, none of them twice. */
export function countedEpsilon(events: readonly CountedEvent[], delta: number): number {
  return events.length === 0 ? 0 : by(ACCOUNTANT, composed(events), delta);
}

/** The same by both accountants. */
export function epsilonsOf(events: readonly DpEvent[], delta: number): Epsilons {
  return countedEpsilons(counted(events), delta);
}

/** By both accountants, of events that are counted already. */
export function countedEpsilons(events: readonly CountedEvent[], delta: number): Epsilons {
  if (events.length === 0) return NOTHING_SPENT;
  const rdp = countedEpsilon(events, delta);
  const pld = byLosses(events, delta);
  return { rdp, pld, enforced: Math.max(rdp, pld ?? 0) };
}

/** Accountants do the work once for events that are equal. */
function counted(events: readonly DpEvent[]): readonly CountedEvent[] {
  const tally = new EventTally();
  for (const event of events) tally.add(event);
  return tally.counted;
}

/** All events as one. */
function composed(events: readonly CountedEvent[]): DpEvent {
  const repeated = events.map(
    ({ event, count }): DpEvent => (count === 1 ? event : { type: "SelfComposed", count, event }),
  );
  return { type: "Composed", events: repeated };
}

/** By privacy loss distributions. */
function byLosses(events: readonly CountedEvent[], delta: number): number | null {
  try {
    return by("pld", composed(events), delta);
  } catch (cause) {
    if (cause instanceof PrivacyError && (cause.code === "UNSUPPORTED_EVENT" || cause.code === "TOO_COSTLY"))
      return null;
    throw cause;
  }
}

function by(accountant: AccountantName, event: DpEvent, delta: number): number {
  return epsilonOf(event, delta, accountant, defaultRelation(event)).epsilon;
}
