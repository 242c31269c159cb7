/** The log in a database that several processes append to: one at a time, by a lock on the checkpoint's row. */
import { type Kysely, sql } from "kysely";
import type { Database, StoreTransaction } from "../store/database.js";
import { corrupt, type SignedCheckpoint } from "./log-state.js";

/** The log as a transaction has it to itself until it ends. */
export interface LockedLog {
  readonly checkpoint: SignedCheckpoint;
  /** By which the transaction's outcome can be asked for when its end got lost. */
  readonly transactionId: string;
}

/**
 * Waits for its turn to append. What others have appended before is visible to the statements that follow: transactions
 * are READ COMMITTED, and the row is released by a commit.
 */
export async function lockLog(transaction: StoreTransaction): Promise<LockedLog> {
  const row = await transaction
    .selectFrom("checkpoint")
    .select(["size", "root", "text", sql<string>`pg_current_xact_id()::text`.as("transactionId")])
    .where("id", "=", 1)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw corrupt("expected a signed checkpoint in the database, it is gone");
  const { transactionId, ...checkpoint } = row;
  return { checkpoint, transactionId };
}

/** What has become of a transaction whose commit was not answered; undefined while the server is still at it. */
export async function outcomeOf(
  db: Kysely<Database>,
  transactionId: string,
): Promise<"committed" | "aborted" | undefined> {
  const { rows } = await sql<{ status: string | null }>`
    select pg_xact_status(${transactionId}::xid8) as status
  `.execute(db);
  const status = rows[0]?.status;
  return status === "committed" || status === "aborted" ? status : undefined;
}
