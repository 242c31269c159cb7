import { type DpEvent, decimalDpEvent, parseDecimalDpEvent, rdpAccountant } from "@fedloop/privacy";

/** One round's cost to the participant, as the store keeps it. Counted before the first byte of an update leaves. */
export interface Charge {
  readonly round: number;
  /** Index of the round's plan in the log. */
  readonly planIndex: number;
  /** Leaf hash of the plan, base64url. */
  readonly plan: string;
  /** The mechanism event as JSON, reals as decimal strings. */
  readonly event: string;
  /** False until the round's end is known; one that is proven to be abandoned is given back. */
  readonly settled: boolean;
}

/** What the participant has spent in a population. */
export interface BudgetReport {
  /** At `delta`, by the RDP accountant, rounded up; infinite after a round without noise. */
  readonly epsilon: number;
  readonly delta: number;
  readonly rounds: number;
}

/** A charge for a round about to be handed in. */
export function chargeFor(round: number, planIndex: number, plan: string, event: DpEvent): Charge {
  return { round, planIndex, plan, event: JSON.stringify(decimalDpEvent(event)), settled: false };
}

interface CountedEvent {
  readonly event: DpEvent;
  count: number;
}

/** Equal events are composed at once: most rounds of a population cost the same. */
function countedEvents(charges: readonly Charge[]): CountedEvent[] {
  const counted = new Map<string, CountedEvent>();
  for (const { event } of charges) {
    const known = counted.get(event);
    if (known === undefined) counted.set(event, { event: parseDecimalDpEvent(JSON.parse(event)), count: 1 });
    else known.count += 1;
  }
  return [...counted.values()];
}

/**
 * ε of all charges and one more event.
 *
 * @param next the event of the round that is asked about; undefined for what is spent already
 */
export function spentEpsilon(charges: readonly Charge[], delta: number, next?: DpEvent): number {
  const accountant = rdpAccountant();
  for (const { event, count } of countedEvents(charges)) accountant.compose(event, count);
  if (next !== undefined) accountant.compose(next);
  return charges.length === 0 && next === undefined ? 0 : accountant.epsilon(delta).epsilon;
}

/** Whether a charge is for a round with differential privacy. */
export function isPrivate({ event }: Charge): boolean {
  return parseDecimalDpEvent(JSON.parse(event)).type !== "NonPrivate";
}
