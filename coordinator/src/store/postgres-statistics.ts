import { sql } from "kysely";
import { openPostgresReader } from "./postgres.js";

/** Transactions that a database has committed so far, for whomever; the server counts with a delay of a second. */
export async function committedTransactions(url: string): Promise<number> {
  await using store = await openPostgresReader(url);
  const { rows } = await sql<{ count: number }>`
    select xact_commit as count from pg_stat_database where datname = current_database()
  `.execute(store.db);
  return rows[0]?.count ?? 0;
}
