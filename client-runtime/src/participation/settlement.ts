// Rounds whose end a device did not see. What it counted for them stays, unless the log says that they were abandoned.
import { decodeBase64Url, readCloseEntry } from "@fedloop/consent";
import { type LogReceipt, Transparency } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import type { Charge } from "../guard/budget.js";
import { openReceipt } from "../guard/receipt.js";
import type { StateKeeper } from "../identity/device-state.js";
import type { LogView } from "../identity/log-view.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";
import { settleCharge } from "./settle-charge.js";

export interface SettlementDependencies {
  readonly client: CoordinatorClient;
  readonly keeper: StateKeeper;
  readonly log: LogView;
}

/** What the log says of a round: how it closed, or undefined when it did not. */
async function outcomeOf(
  dependencies: SettlementDependencies,
  charge: Charge,
  signal: AbortSignal,
): Promise<"completed" | "abandoned" | undefined> {
  const { keeper, log } = dependencies;
  const receipt = await closeOf(dependencies, charge, signal);
  if (receipt === undefined) return undefined;
  const logged = await openReceipt(receipt, keeper.current.log, log.verifier, readCloseEntry);
  await log.advance(logged.checkpoint, signal);
  const { plan, outcome } = logged.entry.body;
  return plan === charge.plan ? outcome : undefined;
}

async function closeOf(
  { client }: SettlementDependencies,
  { plan }: Charge,
  signal: AbortSignal,
): Promise<LogReceipt | undefined> {
  const request = { closedPlan: decodeBase64Url(plan) };
  try {
    return (await client.open(Transparency.method.getInclusionProof, request, signal)).receipt;
  } catch (cause) {
    if (cause instanceof ClientError && cause.remoteCode === "NOT_FOUND") return undefined;
    throw cause;
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
