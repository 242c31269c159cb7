import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import Sqlite from "better-sqlite3";
import { Kysely } from "kysely";
import { CoordinatorError } from "../errors.js";
import { FedloopSqliteDialect } from "../store/sqlite-connection.js";

/** Who may use the HTTP API: one row for each token that was ever made. */
export interface AccessTokensTable {
  /** 12 hexadecimal digits: public, in lists and in the token itself. */
  id: string;
  /** What the operator calls it. */
  name: string;
  role: string;
  /** JSON list of populations; null for all. */
  populations: string | null;
  /** SHA-256 of the secret part. */
  sha256: Uint8Array;
  created_ms: number;
  expires_ms: number;
  revoked_ms: number | null;
}

/** Who may enroll where invitations are asked for. */
export interface InvitationsTable {
  /** SHA-256 of the whole invitation. */
  sha256: Uint8Array;
  /** 12 hexadecimal digits: public, in lists. */
  id: string;
  name: string;
  /** The population that it lets in; null for all. */
  population: string | null;
  uses: number;
  used: number;
  created_ms: number;
  expires_ms: number;
  revoked_ms: number | null;
}

/** Which key an invitation let in a moment ago: a device that asks again after a lost answer costs no second use. */
export interface AdmissionsTable {
  sha256: Uint8Array;
  /** SHA-256 of population and device key. */
  admitted: Uint8Array;
  at_ms: number;
}

export interface AccessDatabase {
  access_tokens: AccessTokensTable;
  invitations: InvitationsTable;
  admissions: AdmissionsTable;
}

/**
 * Tokens and invitations. Apart from the coordinator's database, because commands write here while a coordinator runs: a
 * second writer there could come between a read and a write of the ledger's transactions.
 */
export interface AccessStore {
  readonly db: Kysely<AccessDatabase>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A coordinator and a command may write at once; each waits this long for the other. */
const BUSY_TIMEOUT_MS = 10_000;

/** Where the access store of a data folder is. */
export function accessStorePath(dataDir: string): string {
  return join(dataDir, "access.sqlite");
}

/** Makes the tables where there are none. */
export async function prepareAccessTables(db: Kysely<AccessDatabase>, dialect: "sqlite" | "postgres"): Promise<void> {
  const [bytes, integer] = dialect === "sqlite" ? (["blob", "integer"] as const) : (["bytea", "bigint"] as const);
  const { schema } = db;
  await schema
    .createTable("access_tokens")
    .ifNotExists()
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("role", "text", (column) => column.notNull())
    .addColumn("populations", "text")
    .addColumn("sha256", bytes, (column) => column.notNull())
    .addColumn("created_ms", integer, (column) => column.notNull())
    .addColumn("expires_ms", integer, (column) => column.notNull())
    .addColumn("revoked_ms", integer)
    .execute();
  await schema
    .createTable("invitations")
    .ifNotExists()
    .addColumn("sha256", bytes, (column) => column.primaryKey())
    .addColumn("id", "text", (column) => column.notNull().unique())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("population", "text")
    .addColumn("uses", integer, (column) => column.notNull())
    .addColumn("used", integer, (column) => column.notNull())
    .addColumn("created_ms", integer, (column) => column.notNull())
    .addColumn("expires_ms", integer, (column) => column.notNull())
    .addColumn("revoked_ms", integer)
    .execute();
  await schema
    .createTable("admissions")
    .ifNotExists()
    .addColumn("sha256", bytes, (column) => column.notNull())
    .addColumn("admitted", bytes, (column) => column.notNull())
    .addColumn("at_ms", integer, (column) => column.notNull())
    .addPrimaryKeyConstraint("admissions_key", ["sha256", "admitted"])
    .execute();
}

/**
 * Opens the access store in a file, which is made where there is none.
 *
 * @param path of the file, or `:memory:` for one that ends with the process
 * @throws CoordinatorError STORE_UNREADABLE
 */
export async function openAccessStore(path: string): Promise<AccessStore> {
  let db: Kysely<AccessDatabase> | undefined;
  try {
    if (path !== ":memory:") {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      closeSync(openSync(path, "a", 0o600));
      chmodSync(path, 0o600);
    }
    const database = new Sqlite(path, { timeout: BUSY_TIMEOUT_MS });
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.pragma("trusted_schema = OFF");
    db = new Kysely<AccessDatabase>({ dialect: new FedloopSqliteDialect(database) });
    await prepareAccessTables(db, "sqlite");
    const opened = db;
    const close = (): Promise<void> => opened.destroy();
    return { db: opened, close, [Symbol.asyncDispose]: close };
  } catch (cause) {
    await db?.destroy();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CoordinatorError(
      "STORE_UNREADABLE",
      `expected tokens that can be read and written at ${path}, came "${reason}"; check the path and its permissions, or restore a backup`,
      { cause },
    );
  }
}
