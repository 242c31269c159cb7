import { type DpEvent, decimalDpEvent, parseDecimalDpEvent } from "@fedloop/privacy";
import { rdpEpsilon } from "./rdp-epsilon.js";

/** A round's place in a run: rounds whose noise is correlated, and whose event, that of all of them, is paid for once. */
export interface RunStep {
  /** Leaf hash of the plan that opened the run, base64url. */
  readonly id: string;
  readonly step: number;
}

/** One round's cost to the participant, as the store keeps it. Counted before the first byte of an update leaves. */
export interface Charge {
  readonly round: number;
  /** Index of the round's plan in the log. */
  readonly planIndex: number;
  /** Leaf hash of the plan, base64url. */
  readonly plan: string;
  /** The mechanism event as JSON, reals as decimal strings. */
  readonly event: string;
  /** Left out for a round by itself. */
  readonly run?: RunStep;
  /** What ε is about; left out for all that the participant contributes. */
  readonly unit?: "example";
  /** False until the round's end is known; one that is proven to be abandoned is given back. */
  readonly settled: boolean;
}

/** What the participant has spent in a population. */
export interface BudgetReport {
  /** At `delta`, by the RDP accountant, rounded up; infinite after a round without noise. */
  readonly epsilon: number;
  readonly delta: number;
  readonly rounds: number;
  /** What ε is about: all that the participant contributes, or a single example of it. */
  readonly unit: "participant" | "example";
}

/** What a charge is made for. */
export interface ChargedRound {
  readonly round: number;
  readonly index: number;
  readonly leafHash: string;
  readonly event: DpEvent;
  readonly run: RunStep | null;
  readonly unit: "participant" | "example";
}

/** A charge for a round about to be handed in. */
export function chargeFor({ round, index, leafHash, event, run, unit }: ChargedRound): Charge {
  return {
    round,
    planIndex: index,
    plan: leafHash,
    event: JSON.stringify(decimalDpEvent(event)),
    ...(run === null ? {} : { run }),
    ...(unit === "example" ? { unit } : {}),
    settled: false,
  };
}

/** What the ε of these charges is about. */
export function unitOf(charges: readonly Charge[]): "participant" | "example" {
  return charges.some(({ unit }) => unit === "example") ? "example" : "participant";
}

interface CountedEvent {
  readonly event: DpEvent;
  count: number;
}

/** Equal events are composed at once: most rounds of a population cost the same. A run's event counts once. */
function countedEvents(charges: readonly Charge[]): CountedEvent[] {
  const counted = new Map<string, CountedEvent>();
  const runs = new Set<string>();
  for (const { event, run } of charges) {
    if (run !== undefined && runs.has(run.id)) continue;
    if (run !== undefined) runs.add(run.id);
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
  const spent = countedEvents(charges).map(({ event, count }): DpEvent => ({ type: "SelfComposed", count, event }));
  const events = next === undefined ? spent : [...spent, next];
  if (events.length === 0) return 0;
  const total: DpEvent = { type: "Composed", events };
  return rdpEpsilon(total, delta);
}

/** @throws PrivacyError, SyntaxError for charges whose events cannot be read: what was spent would not be known */
export function requireReadable(charges: readonly Charge[]): void {
  countedEvents(charges);
}

/** Whether a charge is for a round with differential privacy. */
export function isPrivate({ event }: Charge): boolean {
  return parseDecimalDpEvent(JSON.parse(event)).type !== "NonPrivate";
}
