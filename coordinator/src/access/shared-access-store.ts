import { Kysely, PostgresDialect, sql } from "kysely";
import { postgresLocation, unreadableServer } from "../store/postgres.js";
import { POSTGRES_TIMEOUTS, postgresPool } from "../store/postgres-pool.js";
import { type AccessDatabase, type AccessStore, prepareAccessTables } from "./access-store.js";

/** A schema of its own, so that a dump of the log can leave it out: a token that was revoked must not come back. */
const SCHEMA = "fedloop_access";
/** An advisory lock of PostgreSQL, by a number of our own. */
const MAKING = 7_046_029_255;

/**
 * Opens the access store in a database that coordinators share: what one of them, or a command anywhere, makes or revokes
 * counts for all at once.
 *
 * @param url see `postgresPool`; it holds a password and appears in no message
 * @throws CoordinatorError STORE_UNREADABLE
 */
export async function openSharedAccessStore(url: string): Promise<AccessStore> {
  const whole = new Kysely<AccessDatabase>({
    dialect: new PostgresDialect({ pool: postgresPool(url, POSTGRES_TIMEOUTS) }),
  });
  const close = (): Promise<void> => whole.destroy();
  try {
    await prepare(whole);
  } catch (cause) {
    await close();
    throw unreadableServer(postgresLocation(url), cause);
  }
  return { db: whole.withSchema(SCHEMA), close, [Symbol.asyncDispose]: close };
}

/** Makes the tables where there are none; of several processes that want to, one does and the others wait. */
async function prepare(db: Kysely<AccessDatabase>): Promise<void> {
  // Who may not make tables can still use those that are there.
  if (await isMade(db)) return;
  await db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(${sql.lit(MAKING)})`.execute(tx);
    await tx.schema.createSchema(SCHEMA).ifNotExists().execute();
    await prepareAccessTables(tx.withSchema(SCHEMA), "postgres");
  });
}

async function isMade(db: Kysely<AccessDatabase>): Promise<boolean> {
  const { rows } = await sql<{ made: boolean }>`
    select to_regclass(${`${SCHEMA}.admissions`}) is not null as made
  `.execute(db);
  return rows[0]?.made === true;
}
