/**
 * node-postgres as Kysely wants it, with three habits added: 64-bit integers come as numbers, numbers that are no safe
 * integers are refused before they reach a column, and a connection that failed in the middle of a query is not used again.
 */
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from "kysely";
import pg from "pg";
import { CoordinatorError } from "../errors.js";
import { checkParameters } from "./parameters.js";
import { StoreUnreachable } from "./store-unreachable.js";

export interface PostgresTimeouts {
  /** How long the making of a connection may take, milliseconds. */
  readonly connectMs: number;
  /** How long a statement may take, milliseconds: a server that went silent is one that is gone. */
  readonly queryMs: number;
  /** How long a transaction may wait for its next statement: a process that was stopped must not hold its locks. */
  readonly idleInTransactionMs: number;
}

export const POSTGRES_TIMEOUTS: PostgresTimeouts = { connectMs: 5_000, queryMs: 10_000, idleInTransactionMs: 5_000 };

/** Connections of one process: rounds and calls share the ledger's transaction, so a few are enough. */
const CONNECTIONS = 8;
const INT8: number = pg.types.builtins.INT8;
/** SQLSTATE codes are answers of the server; whatever else a query fails with says that there was none. */
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** SQLSTATE codes with which the server ends the connection: operator intervention, timeouts, failures of the system itself. */
const ENDING = /^(57P|58|XX|08|25P0[34])/;

function safeInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new CoordinatorError("STORE_UNREADABLE", `expected integers up to 2^53-1 in the database, came ${text}`);
}

/** The code that PostgreSQL or the network gave an error; empty where there is none. */
function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}

/** Whether a connection is of no use any more after this error. */
function isConnectionLost(cause: unknown): boolean {
  if (cause instanceof CoordinatorError) return false;
  const code = codeOf(cause);
  return !SQLSTATE.test(code) || ENDING.test(code);
}

class Client implements PostgresPoolClient {
  readonly #client: pg.PoolClient;
  #isLost = false;
  readonly #onError = (): void => {
    this.#isLost = true;
  };

  constructor(client: pg.PoolClient) {
    this.#client = client;
    // While it is lent the pool does not listen, and an error that nobody hears would end the process.
    client.on("error", this.#onError);
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query(cursor: never): never;
  async query<R>(sql: string, parameters: readonly unknown[] = []): Promise<PostgresQueryResult<R>> {
    checkParameters(parameters);
    // Else the rollback after a query without an answer would wait for one too.
    if (this.#isLost) throw new StoreUnreachable(undefined);
    try {
      const { command, rowCount, rows } = await this.#client.query(sql, [...parameters]);
      return { command: command as PostgresQueryResult<R>["command"], rowCount: rowCount ?? 0, rows };
    } catch (cause) {
      if (!isConnectionLost(cause)) throw cause;
      this.#isLost = true;
      throw new StoreUnreachable(cause);
    }
  }

  release(): void {
    this.#client.off("error", this.#onError);
    this.#client.release(this.#isLost);
  }
}

/** @param url postgres://user:password@host:port/database?sslmode=verify-full, or with a socket's folder as host */
export function postgresPool(url: string, timeouts: PostgresTimeouts): PostgresPool {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    application_name: "fedloop",
    connectionTimeoutMillis: timeouts.connectMs,
    query_timeout: timeouts.queryMs,
    statement_timeout: timeouts.queryMs,
    idle_in_transaction_session_timeout: timeouts.idleInTransactionMs,
    keepAlive: true,
    types: {
      getTypeParser: (oid: number, format?: "text" | "binary") =>
        oid === INT8 ? safeInteger : pg.types.getTypeParser(oid, format as "text"),
    },
  });
  // A connection that breaks while nobody uses it is replaced by the next that is asked for.
  pool.on("error", () => undefined);
  return {
    async connect() {
      try {
        return new Client(await pool.connect());
      } catch (cause) {
        throw isConnectionLost(cause) ? new StoreUnreachable(cause) : cause;
      }
    },
    end: () => pool.end(),
  };
}
