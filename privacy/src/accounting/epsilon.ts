import type { Accountant } from "./accountant.js";
import type { DpEvent } from "./events.js";
import { pldAccountant } from "./pld/accountant.js";
import { rdpAccountant } from "./rdp/accountant.js";
import { defaultRelation, type NeighbouringRelation } from "./relation.js";
import { zcdpAccountant } from "./zcdp/accountant.js";

/** The accountants that can be asked by name. */
export type AccountantName = "rdp" | "pld" | "zcdp";

/** An answer with everything it was for. */
export interface EpsilonReport {
  readonly epsilon: number;
  readonly delta: number;
  readonly accountant: AccountantName;
  readonly relation: NeighbouringRelation;
  /** The Rényi order that gave the bound, from the RDP accountant only. */
  readonly optimalOrder?: number;
}

/**
 * @param name which accountant
 * @param relation who counts as a neighbour
 * @returns a fresh accountant of that name
 */
export function accountantNamed(name: AccountantName, relation: NeighbouringRelation): Accountant {
  switch (name) {
    case "rdp":
      return rdpAccountant({ relation });
    case "pld":
      return pldAccountant({ relation });
    case "zcdp":
      return zcdpAccountant({ relation });
  }
}

/**
 * What an event costs: the smallest ε that the accountant can show at δ, rounded up.
 *
 * @param event any event
 * @param delta at least 1e-12
 * @param accountant which accountant
 * @param relation who counts as a neighbour; the first relation that the event fits unless told otherwise
 * @throws PrivacyError DELTA_TOO_SMALL, INVALID_PARAMETER, UNSUPPORTED_EVENT
 */
export function epsilonOf(
  event: DpEvent,
  delta: number,
  accountant: AccountantName,
  relation: NeighbouringRelation = defaultRelation(event),
): EpsilonReport {
  const ledger = accountantNamed(accountant, relation);
  ledger.compose(event);
  return { ...ledger.epsilon(delta), delta, accountant, relation };
}
