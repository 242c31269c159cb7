import {
  type AccountantName,
  defaultRelation,
  epsilonOf,
  type NeighbouringRelation,
  parseDpEvent,
} from "@fedloop/privacy";
import { epsilonJson, readEventJson } from "./event-input.js";
import type { Surroundings } from "./surroundings.js";

export interface EpsilonOptions {
  /** A file, or "-". */
  readonly event: string;
  readonly delta: number;
  readonly accountant: AccountantName;
  /** The first relation that the event fits where none is named. */
  readonly relation?: NeighbouringRelation | undefined;
  readonly json: boolean;
}

/**
 * Says what an event costs.
 *
 * @throws PrivacyError for an event or a δ that has no answer; CoordinatorError FILE_UNREADABLE, BAD_DATA
 */
export async function printEpsilon(options: EpsilonOptions, surroundings: Surroundings): Promise<void> {
  const event = parseDpEvent(await readEventJson(options.event, surroundings));
  const relation = options.relation ?? defaultRelation(event);
  const { epsilon, delta, accountant, optimalOrder } = epsilonOf(event, options.delta, options.accountant, relation);
  const order = optimalOrder === undefined ? {} : { optimalOrder };
  if (options.json) {
    surroundings.print(`${JSON.stringify({ epsilon: epsilonJson(epsilon), delta, accountant, ...order })}\n`);
    return;
  }
  const at = optimalOrder === undefined ? "" : `, at Rényi order ${optimalOrder}`;
  surroundings.print(`ε = ${epsilonJson(epsilon)} at δ = ${delta} (${accountant}, ${relation}${at})\n`);
}
