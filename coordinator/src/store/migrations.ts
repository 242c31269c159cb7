/**
 * The schema, version by version. A migration that has been released is never edited; a change is a new one, and its
 * name sorts after all others. Types are given for each dialect: SQLite's tables are STRICT, so a value of the wrong
 * type is refused there as it is by PostgreSQL.
 */
import { ROUND_STATES } from "@fedloop/proto";
import {
  type ColumnDataType,
  type Kysely,
  type Migration,
  type MigrationProvider,
  type SchemaModule,
  sql,
} from "kysely";
import { PARTICIPANT_STATES, POPULATION_STATES, ROUND_KINDS } from "./database.js";
import { operationsTables } from "./operations-tables.js";

export type SchemaDialect = "sqlite" | "postgres";

interface ColumnTypes {
  readonly integer: ColumnDataType;
  readonly bytes: ColumnDataType;
  readonly text: ColumnDataType;
}

const TYPES: Readonly<Record<SchemaDialect, ColumnTypes>> = {
  sqlite: { integer: "integer", bytes: "blob", text: "text" },
  postgres: { integer: "bigint", bytes: "bytea", text: "text" },
};

function oneOf(column: string, values: readonly string[]) {
  return sql<boolean>`${sql.ref(column)} in (${sql.join(values.map((value) => sql.lit(value)))})`;
}

function firstVersion(dialect: SchemaDialect): Migration {
  const { integer, bytes, text } = TYPES[dialect];
  const end = dialect === "sqlite" ? sql`strict` : sql``;
  const withoutRowId = dialect === "sqlite" ? sql`strict, without rowid` : sql``;
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const { schema } = db;
      await schema
        .createTable("entries")
        .addColumn("index", integer, (column) => column.primaryKey())
        .addColumn("id", text, (column) => column.notNull())
        .addColumn("type", text, (column) => column.notNull())
        .addColumn("actor", text, (column) => column.notNull())
        .addColumn("aseq", integer, (column) => column.notNull())
        .addColumn("leaf_hash", bytes, (column) => column.notNull())
        .addColumn("bytes", bytes, (column) => column.notNull())
        .addUniqueConstraint("entries_id", ["id"])
        .addUniqueConstraint("entries_actor_chain", ["actor", "aseq"])
        .modifyEnd(end)
        .execute();
      await schema
        .createTable("checkpoint")
        .addColumn("id", integer, (column) => column.primaryKey().check(sql`id = 1`))
        .addColumn("size", integer, (column) => column.notNull())
        .addColumn("root", bytes, (column) => column.notNull())
        .addColumn("text", text, (column) => column.notNull())
        .modifyEnd(end)
        .execute();
      await schema
        .createTable("meta")
        .addColumn("key", text, (column) => column.primaryKey())
        .addColumn("value", text, (column) => column.notNull())
        .modifyEnd(withoutRowId)
        .execute();
      await schema
        .createTable("populations")
        .addColumn("name", text, (column) => column.primaryKey())
        .addColumn("plan", text, (column) => column.notNull())
        .addColumn("state", text, (column) => column.notNull().check(oneOf("state", POPULATION_STATES)))
        .addColumn("created_ms", integer, (column) => column.notNull())
        .modifyEnd(withoutRowId)
        .execute();
      await schema
        .createTable("devices")
        .addColumn("device_id", bytes, (column) => column.primaryKey())
        .addColumn("population", text, (column) => column.notNull().references("populations.name"))
        .addColumn("public_key", bytes, (column) => column.notNull())
        .addColumn("subject", text, (column) => column.notNull())
        .addColumn("session", bytes)
        .addColumn("session_expires_ms", integer, (column) => column.notNull())
        .addColumn("enrolled_ms", integer, (column) => column.notNull())
        .addColumn("left_ms", integer)
        .addUniqueConstraint("devices_key", ["population", "public_key"])
        .addUniqueConstraint("devices_subject", ["population", "subject"])
        .modifyEnd(withoutRowId)
        .execute();
      await schema
        .createTable("subject_keys")
        .addColumn("device_id", bytes, (column) =>
          column.primaryKey().references("devices.device_id").onDelete("cascade"),
        )
        .addColumn("subject_key", bytes, (column) => column.notNull())
        .modifyEnd(withoutRowId)
        .execute();
      await schema
        .createTable("rounds")
        .addColumn("population", text, (column) => column.notNull().references("populations.name"))
        .addColumn("round", integer, (column) => column.notNull())
        .addColumn("kind", text, (column) => column.notNull().check(oneOf("kind", ROUND_KINDS)))
        .addColumn("state", text, (column) => column.notNull().check(oneOf("state", ROUND_STATES)))
        .addColumn("state_since_ms", integer, (column) => column.notNull())
        .addColumn("deadline_ms", integer)
        .addColumn("plan_index", integer)
        .addColumn("plan_hash", bytes)
        .addColumn("reason", text)
        .addColumn("model_in", bytes)
        .addColumn("model_out", bytes)
        .addColumn("strategy_state", bytes)
        .addColumn("aggregate", bytes)
        .addColumn("cohort", bytes)
        .addColumn("event", text)
        .addColumn("metrics", text)
        .addPrimaryKeyConstraint("rounds_key", ["population", "round"])
        .modifyEnd(withoutRowId)
        .execute();
      await schema
        .createTable("participants")
        .addColumn("population", text, (column) => column.notNull())
        .addColumn("round", integer, (column) => column.notNull())
        .addColumn("device_id", bytes, (column) => column.notNull().references("devices.device_id"))
        .addColumn("subject", text, (column) => column.notNull())
        .addColumn("consent_index", integer, (column) => column.notNull())
        .addColumn("join_signature", bytes, (column) => column.notNull())
        .addColumn("mask_key", bytes)
        .addColumn("state", text, (column) => column.notNull().check(oneOf("state", PARTICIPANT_STATES)))
        .addColumn("joined_ms", integer, (column) => column.notNull())
        .addPrimaryKeyConstraint("participants_key", ["population", "round", "device_id"])
        .addForeignKeyConstraint("participants_round", ["population", "round"], "rounds", ["population", "round"])
        .modifyEnd(withoutRowId)
        .execute();
      await schema
        .createIndex("participants_device")
        .on("participants")
        .columns(["device_id", "population", "round"])
        .execute();
      await schema
        .createTable("models")
        .addColumn("sha256", bytes, (column) => column.notNull())
        .addColumn("population", text, (column) => column.notNull().references("populations.name"))
        .addColumn("round", integer, (column) => column.notNull())
        .addColumn("created_ms", integer, (column) => column.notNull())
        .addPrimaryKeyConstraint("models_key", ["population", "round"])
        .modifyEnd(withoutRowId)
        .execute();
      await schema
        .createTable("blobs")
        .addColumn("sha256", bytes, (column) => column.primaryKey())
        .addColumn("bytes", bytes, (column) => column.notNull())
        .modifyEnd(end)
        .execute();
    },
  };
}

function vaultAndWitnesses(dialect: SchemaDialect): Migration {
  const { integer, bytes, text } = TYPES[dialect];
  const end = dialect === "sqlite" ? sql`strict` : sql``;
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const { schema } = db;
      await schema
        .createTable("erasures")
        .addColumn("device_id", bytes, (column) => column.primaryKey())
        .addColumn("subject", text, (column) => column.notNull())
        .addColumn("public_key", bytes, (column) => column.notNull())
        .addColumn("requested_ms", integer, (column) => column.notNull())
        .modifyEnd(end)
        .execute();
      await schema
        .createTable("published")
        .addColumn("id", integer, (column) => column.primaryKey().check(sql`id = 1`))
        .addColumn("size", integer, (column) => column.notNull())
        .addColumn("text", text, (column) => column.notNull())
        .modifyEnd(end)
        .execute();
    },
  };
}

function noiseRuns(dialect: SchemaDialect): Migration {
  const { integer, bytes, text } = TYPES[dialect];
  return {
    async up({ schema }: Kysely<unknown>): Promise<void> {
      await schema
        .createTable("noise_runs")
        .addColumn("population", text, (column) => column.primaryKey().references("populations.name"))
        .addColumn("first", bytes, (column) => column.notNull())
        .addColumn("event", text, (column) => column.notNull())
        .addColumn("step", integer, (column) => column.notNull())
        .addColumn("sealed", bytes, (column) => column.notNull())
        .modifyEnd(dialect === "sqlite" ? sql`strict` : sql``)
        .execute();
    },
  };
}

/** What several processes need: leases, and, where they share one database, the vault in a schema of its own. */
function sharedStore(dialect: SchemaDialect): Migration {
  const { integer, text } = TYPES[dialect];
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const { schema } = db;
      await schema
        .createTable("leases")
        .addColumn("name", text, (column) => column.primaryKey())
        .addColumn("holder", text, (column) => column.notNull())
        .addColumn("address", text, (column) => column.notNull())
        .addColumn("token", integer, (column) => column.notNull())
        .addColumn("expires_ms", integer, (column) => column.notNull())
        .modifyEnd(dialect === "sqlite" ? sql`strict` : sql``)
        .execute();
      if (dialect === "sqlite") return;
      await makeVaultTables(db);
    },
  };
}

/** The vault's tables, apart, so that a backup of the log can leave them out; what a backup of the vault has put there stays. */
export async function makeVaultTables({ schema }: { readonly schema: SchemaModule }): Promise<void> {
  await schema.createSchema("fedloop_vault").ifNotExists().execute();
  const vault = schema.withSchema("fedloop_vault");
  await vault
    .createTable("wraps")
    .ifNotExists()
    .addColumn("subject_id", "text", (column) => column.primaryKey())
    .addColumn("kek", "text", (column) => column.notNull())
    .addColumn("wrapped", "text", (column) => column.notNull())
    .execute();
  await vault
    .createTable("current_kek")
    .ifNotExists()
    .addColumn("id", "bigint", (column) => column.primaryKey().check(sql`id = 1`))
    .addColumn("name", "text", (column) => column.notNull())
    .execute();
}

/** Why a population is paused, and from which round on abandoned ones count. */
function pauses(dialect: SchemaDialect): Migration {
  const { integer, text } = TYPES[dialect];
  return {
    async up({ schema }: Kysely<unknown>): Promise<void> {
      await schema.alterTable("populations").addColumn("pause_reason", text).execute();
      await schema.alterTable("populations").addColumn("paused_ms", integer).execute();
      await schema
        .alterTable("populations")
        .addColumn("resumed_round", integer, (column) => column.notNull().defaultTo(0))
        .execute();
    },
  };
}

/** Which enrolment of a key came last: an earlier one is a replay. */
function lastEnrolments(dialect: SchemaDialect): Migration {
  const { integer, bytes } = TYPES[dialect];
  return {
    async up({ schema }: Kysely<unknown>): Promise<void> {
      await schema.alterTable("devices").addColumn("enrol_time_ms", integer).execute();
      await schema.alterTable("devices").addColumn("enrol_nonce", bytes).execute();
    },
  };
}

/** The few entries of a type among very many others. */
function entryTypes(): Migration {
  return {
    async up({ schema }: Kysely<unknown>): Promise<void> {
      await schema.createIndex("entries_of_type").on("entries").columns(["type", "index"]).execute();
    },
  };
}

/** All versions of the schema for a dialect, for Kysely's `Migrator`. */
export function migrationsFor(dialect: SchemaDialect): MigrationProvider {
  const migrations: Readonly<Record<string, Migration>> = {
    "0001-first": firstVersion(dialect),
    "0002-vault-and-witnesses": vaultAndWitnesses(dialect),
    "0003-noise-runs": noiseRuns(dialect),
    "0004-shared-store": sharedStore(dialect),
    "0005-operations": operationsTables(dialect),
    "0006-pauses": pauses(dialect),
    "0007-last-enrolments": lastEnrolments(dialect),
    "0008-entry-types": entryTypes(),
  };
  return { getMigrations: () => Promise.resolve(migrations) };
}
