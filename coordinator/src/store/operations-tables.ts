import { type Kysely, type Migration, sql } from "kysely";
import type { SchemaDialect } from "./migrations.js";

/** What devices are given: see `models/stages.ts`. */
export const MODEL_STAGES = ["candidate", "canary", "live", "superseded", "rolled-back"] as const;

export type ModelStageName = (typeof MODEL_STAGES)[number];

/** The stage of each released model. */
export interface ModelStagesTable {
  population: string;
  /** The round that made the model. */
  round: number;
  stage: ModelStageName;
  /** Of 10 000 devices, how many get a canary. */
  share: number | null;
  since_ms: number;
  /** Ledger entry of the change; null for a candidate, and for one that another took the place of. */
  entry_index: number | null;
}

/** What was answered under an idempotency key, written together with the effect. */
export interface IdempotencyTable {
  /** Who sent it, the route, and the key itself: SHA-256. */
  key: Uint8Array;
  /** SHA-256 of path and body. */
  request: Uint8Array;
  status: number;
  /** JSON. */
  answer: string;
  created_ms: number;
}

export const DELIVERY_STATES = ["pending", "delivered", "given-up"] as const;

/** Webhook messages, one row for each endpoint that is to get one. */
export interface WebhookDeliveriesTable {
  /** The same for every attempt: what receivers recognise repeats by. */
  id: string;
  /** Name of the endpoint in the configuration. */
  endpoint: string;
  type: string;
  /** The body, exactly as it is sent each time. */
  payload: string;
  state: (typeof DELIVERY_STATES)[number];
  attempts: number;
  created_ms: number;
  /** When it is tried next. */
  due_ms: number;
  /** HTTP status, or a word, of the last attempt. */
  last_result: string | null;
}

/** Facts that webhooks are sent about once: a threshold that was crossed. */
export interface WebhookFactsTable {
  fact: string;
  told_ms: number;
}

export function operationsTables(dialect: SchemaDialect): Migration {
  const integer = dialect === "sqlite" ? "integer" : "bigint";
  const bytes = dialect === "sqlite" ? "blob" : "bytea";
  const end = dialect === "sqlite" ? sql`strict` : sql``;
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const { schema } = db;
      await schema
        .createTable("model_stages")
        .addColumn("population", "text", (column) => column.notNull().references("populations.name"))
        .addColumn("round", integer, (column) => column.notNull())
        .addColumn("stage", "text", (column) => column.notNull())
        .addColumn("share", integer)
        .addColumn("since_ms", integer, (column) => column.notNull())
        .addColumn("entry_index", integer)
        .addPrimaryKeyConstraint("model_stages_key", ["population", "round"])
        .modifyEnd(end)
        .execute();
      // Until now the newest released model was the one that devices got.
      await sql`insert into model_stages (population, round, stage, since_ms)
        select population, round,
          case when round = (select max(newer.round) from models as newer where newer.population = models.population)
            then 'live' else 'superseded' end,
          created_ms
        from models where round > 0`.execute(db);
      await schema
        .createTable("idempotency")
        .addColumn("key", bytes, (column) => column.primaryKey())
        .addColumn("request", bytes, (column) => column.notNull())
        .addColumn("status", integer, (column) => column.notNull())
        .addColumn("answer", "text", (column) => column.notNull())
        .addColumn("created_ms", integer, (column) => column.notNull())
        .modifyEnd(end)
        .execute();
      await schema
        .createTable("webhook_deliveries")
        .addColumn("id", "text", (column) => column.notNull())
        .addColumn("endpoint", "text", (column) => column.notNull())
        .addColumn("type", "text", (column) => column.notNull())
        .addColumn("payload", "text", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("attempts", integer, (column) => column.notNull())
        .addColumn("created_ms", integer, (column) => column.notNull())
        .addColumn("due_ms", integer, (column) => column.notNull())
        .addColumn("last_result", "text")
        .addPrimaryKeyConstraint("webhook_deliveries_key", ["id", "endpoint"])
        .modifyEnd(end)
        .execute();
      await schema
        .createIndex("webhook_deliveries_due")
        .on("webhook_deliveries")
        .columns(["state", "due_ms"])
        .execute();
      await schema
        .createTable("webhook_facts")
        .addColumn("fact", "text", (column) => column.primaryKey())
        .addColumn("told_ms", integer, (column) => column.notNull())
        .modifyEnd(end)
        .execute();
    },
  };
}
