import { type DpEvent, defaultRelation, type NeighbouringRelation, rdpAccountant } from "@fedloop/privacy";

/**
 * What an event costs by the RDP accountant, the one that devices count with: the others have no place in what an app
 * downloads.
 *
 * @param delta at least 1e-12
 * @param relation who counts as a neighbour; the first relation that the event fits unless told otherwise
 * @returns ε, rounded up
 * @throws PrivacyError DELTA_TOO_SMALL, INVALID_PARAMETER, UNSUPPORTED_EVENT
 */
export function rdpEpsilon(
  event: DpEvent,
  delta: number,
  relation: NeighbouringRelation = defaultRelation(event),
): number {
  const accountant = rdpAccountant({ relation });
  accountant.compose(event);
  return accountant.epsilon(delta).epsilon;
}
