/** Units of work on the log and its database: what they may do, and what their caller gets. */
import type { Entry, EntryBodies, EntryType } from "@fedloop/consent";
import type { StoreTransaction } from "../store/database.js";
import type { Appended } from "./entry-group.js";

/** What a unit of work does: changes in the database and entries, which become durable together or not at all. */
export interface LedgerTransaction {
  /** For every query of the work; `store.db` would wait for this transaction to end. */
  readonly db: StoreTransaction;
  /** What the coordinator's entries in it are stamped with, milliseconds since 1970. */
  readonly timeMs: number;
  /** Builds, chains and signs an entry of the coordinator's. @throws LedgerError BAD_ENTRY, STALE_POLICY */
  append<T extends EntryType>(type: T, body: EntryBodies[T]): Promise<Appended>;
  /**
   * Appends an entry that its author signed; the caller has verified the signature by the author's key. That the
   * entry continues its author's chain, and that a consent may stand, is checked here. The same entry again gets
   * the place it got first.
   *
   * @param entry canonical JSON, or what `parseEntry` made of it
   * @throws CoordinatorError BAD_ENTRY, TOO_LARGE, CHAIN_BROKEN, CONFLICT, STALE_POLICY, WITHDRAWN_LATER, WRONG_SUBJECT
   */
  appendSigned(entry: Uint8Array | Entry): Promise<Appended>;
}

export interface Committed<T> {
  readonly result: T;
  /** New entries of this work, in order; an entry that was there before is not among them. */
  readonly appended: readonly Appended[];
}

/** What takes works: the ledger itself, or one that first checks whether this process may still write. */
export interface Committer {
  /**
   * Runs a work in a transaction and resolves when its changes and entries are durable and in a signed checkpoint.
   *
   * @throws what the work throws, and then nothing of it happened; CoordinatorError STORE_FAILED (nothing of it
   * happened either), CLOCK_BEHIND, LEDGER_STOPPED (the disk can no longer be trusted: restart)
   */
  commit<T>(
    work: (transaction: LedgerTransaction) => Promise<T>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Committed<T>>;
}

/** Throws in a transaction that this process may not make any more. */
export type Fence = (transaction: LedgerTransaction) => Promise<void>;

/** A ledger whose works are fenced, each in its own transaction. */
export function fenced(ledger: Committer, fence: Fence | undefined): Committer {
  if (fence === undefined) return ledger;
  return {
    commit: (work, options) =>
      ledger.commit(async (transaction) => {
        await fence(transaction);
        return work(transaction);
      }, options),
  };
}
