import { randomInt } from "node:crypto";
import type { Kysely } from "kysely";
import type { Database, Store } from "../store/database.js";
import type { WebhookDeliveriesTable } from "../store/operations-tables.js";
import { payloadOf, type WebhookMessage } from "./events.js";
import type { SendResult, WebhookEndpoint } from "./sender.js";

/** First wait after a failed attempt, what the next ones are longer by, and the longest. Milliseconds. */
const FIRST_RETRY_MS = 5_000;
const GROWTH = 4;
const LONGEST_RETRY_MS = 6 * 60 * 60 * 1_000;
/** About a day of them. */
export const MOST_ATTEMPTS = 10;
const KEPT_MS = 7 * 24 * 60 * 60 * 1_000;

/** Writes down, within a transaction, who is to be told. A message that is there already, or a fact told before, is not again. */
export async function enqueue(
  db: Kysely<Database>,
  endpoints: readonly Pick<WebhookEndpoint, "name" | "events">[],
  message: WebhookMessage,
  nowMs: number,
): Promise<number> {
  if (message.fact !== null) {
    const { numInsertedOrUpdatedRows } = await db
      .insertInto("webhook_facts")
      .values({ fact: message.fact, told_ms: nowMs })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows === 0n) return 0;
  }
  const rows = endpoints
    .filter(({ events }) => message.type === "test" || events.includes(message.type))
    .map(({ name }) => ({
      id: message.id,
      endpoint: name,
      type: message.type,
      payload: payloadOf(message),
      state: "pending" as const,
      attempts: 0,
      created_ms: nowMs,
      due_ms: nowMs,
      last_result: null,
    }));
  if (rows.length === 0) return 0;
  await db
    .insertInto("webhook_deliveries")
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return rows.length;
}

/** The messages that are due, those first that have waited longest. Who asks delivers them, and nobody else meanwhile. */
export async function readDue(store: Store, nowMs: number, most: number): Promise<WebhookDeliveriesTable[]> {
  return store.db
    .selectFrom("webhook_deliveries")
    .selectAll()
    .where("state", "=", "pending")
    .where("due_ms", "<=", nowMs)
    .orderBy("due_ms")
    .limit(most)
    .execute();
}

/** When the next pending message is due; undefined where there is none. */
export async function nextDueMs(store: Store): Promise<number | undefined> {
  const row = await store.db
    .selectFrom("webhook_deliveries")
    .select(({ fn }) => fn.min("due_ms").as("due"))
    .where("state", "=", "pending")
    .executeTakeFirst();
  return row?.due == null ? undefined : Number(row.due);
}

/**
 * What follows from an attempt: delivered by any 2xx, given up by 410 (the receiver wants no more) and after the last
 * attempt, else tried again after a wait that grows and is spread, so that receivers who come back are not overrun.
 */
export function afterAttempt(
  { attempts }: Pick<WebhookDeliveriesTable, "attempts">,
  result: SendResult,
  nowMs: number,
  jitter: () => number = () => randomInt(0, 1_000) / 1_000,
): Pick<WebhookDeliveriesTable, "state" | "attempts" | "due_ms" | "last_result"> {
  const done = attempts + 1;
  const last_result = result.type === "answered" ? String(result.status) : result.why.slice(0, 200);
  const isDelivered = result.type === "answered" && result.status >= 200 && result.status < 300;
  const isGone = result.type === "answered" && result.status === 410;
  if (isDelivered) return { state: "delivered", attempts: done, due_ms: nowMs, last_result };
  if (isGone || done >= MOST_ATTEMPTS) return { state: "given-up", attempts: done, due_ms: nowMs, last_result };
  const wait = Math.min(FIRST_RETRY_MS * GROWTH ** attempts, LONGEST_RETRY_MS);
  return { state: "pending", attempts: done, due_ms: nowMs + Math.round(wait * (0.5 + jitter())), last_result };
}

/** Forgets what was delivered, or given up, a week ago. */
export async function forgetOld(store: Store, nowMs: number): Promise<void> {
  await store.db
    .deleteFrom("webhook_deliveries")
    .where("state", "!=", "pending")
    .where("created_ms", "<", nowMs - KEPT_MS)
    .execute();
}
