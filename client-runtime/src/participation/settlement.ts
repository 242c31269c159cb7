// Rounds whose end a device did not see. What it counted for them stays, unless the log says that they were abandoned.
import { readCloseEntry } from "@fedloop/consent";
import { Transparency } from "@fedloop/proto";
import type { Charge } from "../guard/budget.js";
import { openReceipt } from "../guard/receipt.js";
import type { StateKeeper } from "../identity/device-state.js";
import type { LogView } from "../identity/log-view.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";
import { settleCharge } from "./settle-charge.js";

/** How far after its plan a round's end is looked for, in entries. */
const LOOK_AHEAD = 64;

export interface SettlementDependencies {
  readonly client: CoordinatorClient;
  readonly keeper: StateKeeper;
  readonly log: LogView;
}

/** What the log says of a round: how it closed, or undefined when that is not found. */
async function outcomeOf(
  { client, keeper, log }: SettlementDependencies,
  charge: Charge,
  signal: AbortSignal,
): Promise<"completed" | "abandoned" | undefined> {
  for (let index = charge.planIndex + 1; index <= charge.planIndex + LOOK_AHEAD; index++) {
    if (index >= (keeper.current.checkpoint?.size ?? 0)) return undefined;
    const request = { index: BigInt(index), treeSize: 0n };
    const { receipt } = await client.open(Transparency.method.getInclusionProof, request, signal);
    if (receipt === undefined) return undefined;
    if (!isClose(receipt.entry)) continue;
    const logged = await openReceipt(receipt, keeper.current.log, log.verifier, readCloseEntry);
    await log.advance(logged.checkpoint, signal);
    const { plan, outcome } = logged.entry.body;
    if (logged.index === index && plan === charge.plan) return outcome;
  }
  return undefined;
}

/** Nothing is learnt from other entries: none need be proven, or be of a type that this device knows. */
function isClose(entry: Uint8Array): boolean {
  try {
    readCloseEntry(entry);
    return true;
  } catch {
    return false;
  }
}

/**
 * Settles what was counted for rounds before `round`: a round proven to be abandoned, before anyone saw its sum, cost
 * nothing. One that completed, or whose end is not found, stays counted.
 */
export async function settleCharges(
  dependencies: SettlementDependencies,
  round: number,
  signal: AbortSignal,
): Promise<void> {
  const { keeper } = dependencies;
  for (const charge of keeper.current.charges) {
    if (charge.settled || charge.round >= round) continue;
    const outcome = await outcomeOf(dependencies, charge, signal);
    await settleCharge(keeper, charge.round, outcome === "abandoned");
  }
}
