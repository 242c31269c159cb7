import { Kysely, PostgresDialect, sql } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { Database, Store } from "./database.js";
import { migrate } from "./migrate.js";
import { POSTGRES_TIMEOUTS, type PostgresTimeouts, postgresPool } from "./postgres-pool.js";
import type { StoreReader } from "./sqlite-reader.js";
import { StoreUnreachable } from "./store-unreachable.js";

/** Tables from which rows of participants are deleted. */
const ERASED_FROM = ["devices", "participants", "erasures", "subject_keys"] as const;
/** What is used of the server is older; what is tested is this. */
const OLDEST_VERSION = 130_000;

/** A database's address without its password, for messages. */
export function postgresLocation(url: string): string {
  try {
    const { host, pathname, searchParams } = new URL(url);
    return `postgres://${host || (searchParams.get("host") ?? "localhost")}${pathname}`;
  } catch {
    return "the PostgreSQL database";
  }
}

/** What went wrong with the server, in words that hold no secret: PostgreSQL's messages name users, not passwords. */
export function unreadableServer(location: string, cause: unknown): CoordinatorError {
  if (cause instanceof CoordinatorError && !(cause instanceof StoreUnreachable)) return cause;
  const reason = cause instanceof StoreUnreachable ? cause.cause : cause;
  const words = reason instanceof AggregateError ? reason.errors.map(String).join("; ") : String(reason);
  return new CoordinatorError(
    "STORE_UNREADABLE",
    `expected a PostgreSQL database that can be read and written at ${location}, came "${words}"; check that the server runs, and the user's rights`,
    { cause },
  );
}

async function checkServer(db: Kysely<Database>, location: string): Promise<void> {
  const { rows } = await sql<{ version: string; encoding: string }>`
    select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding
  `.execute(db);
  const [{ version, encoding } = { version: "0", encoding: "none" }] = rows;
  if (Number(version) < OLDEST_VERSION || encoding !== "UTF8") {
    throw new CoordinatorError(
      "STORE_UNREADABLE",
      `expected PostgreSQL 13 or newer with encoding UTF8 at ${location}, came version ${version} with ${encoding}`,
    );
  }
}

/**
 * Opens a database that several coordinators share, and brings its schema up to date. Between processes, what must not
 * happen twice is fenced in the database: the log by its checkpoint's row, a population by its lease.
 *
 * @param url see `postgresPool`; it holds a password and appears in no message
 * @throws CoordinatorError STORE_TOO_NEW, STORE_UNREADABLE
 */
export async function openPostgresStore(
  url: string,
  options: { readonly timeouts?: Partial<PostgresTimeouts>; readonly signal?: AbortSignal } = {},
): Promise<Store> {
  options.signal?.throwIfAborted();
  const location = postgresLocation(url);
  const db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool: postgresPool(url, { ...POSTGRES_TIMEOUTS, ...options.timeouts }) }),
  });
  try {
    await checkServer(db, location);
    await migrate(db, "postgres", location);
  } catch (cause) {
    await db.destroy();
    throw unreadableServer(location, cause);
  }
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= db.destroy();
    return closing;
  };
  const scrub = async (): Promise<boolean> => {
    try {
      for (const table of ERASED_FROM) await sql`vacuum ${sql.table(table)}`.execute(db);
      return true;
    } catch {
      // Statements of others are in the way, or the server is: the next call tries again.
      return false;
    }
  };
  return { db, location, isShared: true, scrub, close, [Symbol.asyncDispose]: close };
}

/**
 * Opens a shared database for reading only.
 *
 * @throws CoordinatorError FILE_UNREADABLE when no coordinator has made its tables yet, STORE_UNREADABLE
 */
export async function openPostgresReader(url: string): Promise<StoreReader> {
  const location = postgresLocation(url);
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: postgresPool(url, POSTGRES_TIMEOUTS) }) });
  try {
    const { rows } = await sql<{ found: boolean }>`select to_regclass('entries') is not null as found`.execute(db);
    if (rows[0]?.found !== true) {
      throw new CoordinatorError(
        "FILE_UNREADABLE",
        `expected a coordinator's tables at ${location}, there are none; start \`fedloop serve\` once, or check store.postgres`,
      );
    }
  } catch (cause) {
    await db.destroy();
    throw unreadableServer(location, cause);
  }
  const close = (): Promise<void> => db.destroy();
  return { db, close, [Symbol.asyncDispose]: close };
}
