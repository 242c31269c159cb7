/** The coordinator's tables between PostgreSQL and an SQLite file, whole and as they were after one commit. */
import Sqlite from "better-sqlite3";
import { CompiledQuery, Kysely, sql } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { Database, Store } from "../store/database.js";
import { migrate } from "../store/migrate.js";
import { openPostgresReader, postgresLocation } from "../store/postgres.js";
import { FedloopSqliteDialect } from "../store/sqlite-connection.js";
import type { StoreReader } from "../store/sqlite-reader.js";

/** Rows that go in one statement. */
const BATCH = 500;

/** What belongs to processes that run, and not to what they have written. */
const NOT_KEPT: ReadonlySet<string> = new Set(["leases"]);

/** Told of each table and of how many of its rows are copied. */
export type TableProgress = (table: string, rows: number) => void;

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
}

/**
 * Copies everything out of PostgreSQL, in one snapshot, into an SQLite file of the same schema; coordinators go on writing.
 *
 * @param path a file that is there and empty
 * @throws CoordinatorError STORE_TOO_NEW, STORE_UNREADABLE
 */
export async function copyFromPostgres(
  url: string,
  path: string,
  onProgress: TableProgress,
  signal: AbortSignal,
): Promise<void> {
  await makeTables(path);
  await using source = await openPostgresReader(url);
  const target = new Sqlite(path);
  try {
    target.pragma("foreign_keys = OFF");
    const tables = tablesOf(target);
    await source.db
      .transaction()
      .setIsolationLevel("repeatable read")
      .setAccessMode("read only")
      .execute(async (tx) => {
        await requireSameSchema({ ...source, db: tx }, target, postgresLocation(url));
        for (const table of tables) await copyOut(tx, target, table, onProgress, signal);
      });
  } finally {
    target.close();
  }
}

/**
 * Copies everything from an SQLite file into the empty tables of a PostgreSQL store, in one transaction.
 *
 * @throws CoordinatorError CONFLICT where something is there already, or comes meanwhile
 */
export async function copyToPostgres(
  path: string,
  store: Store,
  onProgress: TableProgress,
  signal: AbortSignal,
): Promise<void> {
  const source = new Sqlite(path, { readonly: true, fileMustExist: true });
  try {
    const tables = parentsFirst(source, tablesOf(source));
    await store.db.transaction().execute(async (tx) => {
      // Until the end no coordinator begins a log in what looks like an empty database.
      await sql`lock table ${sql.join(tables.map(({ name }) => sql.table(name)))} in exclusive mode`.execute(tx);
      await requireEmpty({ ...store, db: tx }, store.location);
      for (const table of tables) await copyIn(source, tx, table, onProgress, signal);
    });
  } finally {
    source.close();
  }
}

/** @throws CoordinatorError CONFLICT where a coordinator has written anything yet */
export async function requireEmpty({ db }: Pick<StoreReader, "db">, location: string): Promise<void> {
  for (const table of ["checkpoint", "entries", "populations"] as const) {
    const row = await db.selectFrom(table).select(sql<number>`1`.as("one")).limit(1).executeTakeFirst();
    if (row === undefined) continue;
    throw new CoordinatorError(
      "CONFLICT",
      `expected no coordinator's data in ${location}; restore into a new database, and never empty this one`,
    );
  }
}

/** Gives an empty SQLite file the tables of this version. */
async function makeTables(path: string): Promise<void> {
  const db = new Kysely<Database>({ dialect: new FedloopSqliteDialect(new Sqlite(path)) });
  try {
    await migrate(db, "sqlite", path);
  } finally {
    await db.destroy();
  }
}

function tablesOf(database: Sqlite.Database): Table[] {
  const named = database
    .prepare<[], { name: string }>("select name from sqlite_schema where type = 'table' order by name")
    .all();
  return named
    .map(({ name }) => name)
    .filter((name) => !/^(sqlite|kysely|backup)_/.test(name) && !NOT_KEPT.has(name))
    .map((name) => {
      const columns = database.prepare<[string], { name: string }>("select name from pragma_table_info(?)").all(name);
      return { name, columns: columns.map((column) => column.name) };
    });
}

/** In an order in which each row finds the rows that it refers to. */
function parentsFirst(database: Sqlite.Database, tables: readonly Table[]): Table[] {
  const parents = database.prepare<[string], { parent: string }>(
    'select distinct "table" as parent from pragma_foreign_key_list(?)',
  );
  const ordered: Table[] = [];
  const visit = (table: Table): void => {
    if (ordered.includes(table)) return;
    for (const { parent } of parents.all(table.name)) {
      const above = tables.find(({ name }) => name === parent);
      if (above !== undefined && above !== table) visit(above);
    }
    ordered.push(table);
  };
  for (const table of tables) visit(table);
  return ordered;
}

/** A column that one side lacks would be lost without a word. */
async function requireSameSchema(
  { db }: Pick<StoreReader, "db">,
  database: Sqlite.Database,
  location: string,
): Promise<void> {
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  const known = database.prepare<[], { name: string }>("select name from kysely_migration order by name").all();
  const [there, here] = [rows, known].map((list) => list.map(({ name }) => name).join(" "));
  if (there === here) return;
  throw new CoordinatorError(
    "STORE_TOO_NEW",
    `expected a database of this version of fedloop, ${location} was written by another; use the version that its coordinators have`,
  );
}

async function copyOut(
  from: Kysely<Database>,
  to: Sqlite.Database,
  { name, columns }: Table,
  onProgress: TableProgress,
  signal: AbortSignal,
): Promise<void> {
  const quoted = columns.map((column) => `"${column}"`).join(", ");
  const insert = to.prepare(`insert into "${name}" (${quoted}) values (${columns.map(() => "?").join(", ")})`);
  const add = to.transaction((rows: readonly Record<string, unknown>[]) => {
    for (const row of rows) insert.run(columns.map((column) => row[column]));
  });
  await from.executeQuery(CompiledQuery.raw(`declare copied no scroll cursor for select ${quoted} from "${name}"`));
  for (let copied = 0; ; ) {
    signal.throwIfAborted();
    const { rows } = await from.executeQuery<Record<string, unknown>>(CompiledQuery.raw(`fetch ${BATCH} from copied`));
    if (rows.length === 0) break;
    add(rows);
    copied += rows.length;
    onProgress(name, copied);
  }
  await from.executeQuery(CompiledQuery.raw("close copied"));
}

async function copyIn(
  from: Sqlite.Database,
  to: Kysely<Database>,
  { name, columns }: Table,
  onProgress: TableProgress,
  signal: AbortSignal,
): Promise<void> {
  const quoted = columns.map((column) => `"${column}"`).join(", ");
  const select = from.prepare<[], Record<string, unknown>>(`select ${quoted} from "${name}"`);
  let batch: unknown[][] = [];
  let copied = 0;
  const send = async (): Promise<void> => {
    signal.throwIfAborted();
    if (batch.length === 0) return;
    const values = batch.map((row, at) => `(${row.map((_, i) => `$${at * row.length + i + 1}`).join(", ")})`);
    await to.executeQuery(
      CompiledQuery.raw(`insert into "${name}" (${quoted}) values ${values.join(", ")}`, batch.flat()),
    );
    copied += batch.length;
    batch = [];
    onProgress(name, copied);
  };
  for (const row of select.iterate()) {
    batch.push(columns.map((column) => row[column]));
    if (batch.length === BATCH) await send();
  }
  await send();
}
