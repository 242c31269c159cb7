import type { Leases } from "../leadership/leases.js";
import type { LedgerTransaction } from "../ledger/ledger.js";

/** A process's turn to deliver. Where it is a lease, another process may take it over. */
export interface Turn {
  readonly isHeld: boolean;
  /** Aborted when it is over. */
  readonly lost: AbortSignal;
  /** Throws in a transaction that this process may not make any more. */
  fence(transaction: Pick<LedgerTransaction, "db">): Promise<void>;
}

/** The turn of the only coordinator of a store. */
export const ALWAYS: Turn = {
  isHeld: true,
  lost: new AbortController().signal,
  fence: () => Promise.resolve(),
};

/** No population's name has a slash. */
const LEASE = "fedloop/webhooks";

/**
 * Takes the turn of delivering whenever it is free, and gives it up when it is lost, until the signal is aborted: of the
 * coordinators that share a store one delivers.
 *
 * @param work what is done with the turn until it is lost or the signal is aborted; its end is waited for before another
 * process may begin
 */
export async function takeTurns(
  leases: Pick<Leases, "acquire">,
  signal: AbortSignal,
  work: (turn: Turn, until: AbortSignal) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    const lease = await leases.acquire(LEASE, signal);
    if (lease === undefined) return;
    try {
      await work(lease, AbortSignal.any([lease.lost, signal]));
    } finally {
      await lease[Symbol.asyncDispose]();
    }
  }
}
