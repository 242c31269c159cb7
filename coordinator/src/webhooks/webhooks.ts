import { parseEntry } from "@fedloop/consent";
import type { Kysely } from "kysely";
import type { Leases } from "../leadership/leases.js";
import type { Ledger } from "../ledger/ledger.js";
import type { Database, Store } from "../store/database.js";
import type { WebhookDeliveriesTable } from "../store/operations-tables.js";
import { messagesOf, type WebhookEvent, type WebhookMessage } from "./events.js";
import { afterAttempt, enqueue, forgetOld, nextDueMs, readDue } from "./outbox.js";
import { type SendResult, send, type WebhookEndpoint } from "./sender.js";
import { ALWAYS, type Turn, takeTurns } from "./turn.js";

export interface WebhooksOptions {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly endpoints: readonly WebhookEndpoint[];
  readonly clock: { now(): number };
  /** Where coordinators share the store: one of them delivers, by a lease. */
  readonly leases?: Pick<Leases, "acquire" | "intervalMs"> | undefined;
  readonly onFault: (where: string, cause: unknown) => void;
  /** Told of each attempt. */
  readonly onAttempt?: (endpoint: string, result: SendResult) => void;
  /** Sends a message; by HTTP unless given. */
  readonly sender?: typeof send;
}

const CURSOR = "webhooks.next-entry";
/** Messages under way at a time. */
const AT_A_TIME = 8;
/** A clock that jumps may make a message due unannounced. */
const LONGEST_SLEEP_MS = 60_000;
/** How often what is old is looked for. */
const FORGETTING_MS = 60 * 60_000;

/**
 * Tells endpoints what the ledger says, by an outbox: how far the log was read, and who is to be told what, change in one
 * transaction, and a message stays until it is delivered. So after a crash each is sent at least once, with the same id. Of
 * coordinators that share a store one delivers; what a former one still has under way changes nothing any more.
 */
export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #stopping = new AbortController();
  /** This process's turn to deliver; undefined while it is another one's. */
  #turn: Turn | undefined;
  #takingTurns: Promise<void> = Promise.resolve();
  #forgotMs = Number.NEGATIVE_INFINITY;
  #unwatch: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    this.#turn = options.leases === undefined ? ALWAYS : undefined;
  }

  get endpoints(): readonly WebhookEndpoint[] {
    return this.#options.endpoints;
  }

  /** Begins with what the log says from now on, or goes on where a former process ended. */
  async start(): Promise<void> {
    const { store, ledger, endpoints, leases } = this.#options;
    if (endpoints.length === 0) {
      // Who is named one day is not told of all that was before.
      await store.db.deleteFrom("meta").where("key", "=", CURSOR).execute();
      return;
    }
    await store.db
      .insertInto("meta")
      .values({ key: CURSOR, value: String(ledger.size) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    this.#unwatch = ledger.onGrowth(() => this.#wake());
    if (leases === undefined) this.#wake();
    else {
      this.#takingTurns = takeTurns(leases, this.#stopping.signal, (turn, until) =>
        this.#deliverUntil(turn, until, leases.intervalMs),
      );
    }
  }

  /**
   * Tells endpoints of something that is not in the ledger.
   *
   * @param id the same whenever the same thing is told
   * @returns how many endpoints are told
   */
  async emit(type: WebhookEvent, id: string, data: WebhookMessage["data"]): Promise<number> {
    const { store, clock } = this.#options;
    const told = await this.enqueue(store.db, { id, type, timeMs: clock.now(), data, fact: null });
    this.#wake();
    return told;
  }

  /** The same within a transaction of the caller's, who calls `wake` when it is durable. */
  enqueue(db: Kysely<Database>, message: WebhookMessage, only?: string): Promise<number> {
    const { endpoints, clock } = this.#options;
    const told = only === undefined ? endpoints : endpoints.filter(({ name }) => name === only);
    return enqueue(db, told, message, clock.now());
  }

  /** Something was put into the outbox. */
  wake(): void {
    this.#wake();
  }

  /** Resolves when nothing is under way: all that was due is delivered, or waits for another attempt. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async close(): Promise<void> {
    this.#unwatch();
    this.#stopping.abort();
    clearTimeout(this.#timer);
    await this.settled();
    await this.#takingTurns;
  }

  async #deliverUntil(turn: Turn, until: AbortSignal, intervalMs: number): Promise<void> {
    this.#turn = turn;
    this.#wake();
    // What another process has put into the outbox is announced to that process alone.
    const looking = setInterval(() => this.#wake(), intervalMs);
    if (!until.aborted) await new Promise((resolve) => until.addEventListener("abort", resolve, { once: true }));
    clearInterval(looking);
    this.#turn = undefined;
    await this.settled();
  }

  #wake(): void {
    const turn = this.#turn;
    if (this.#stopping.signal.aborted || this.#options.endpoints.length === 0 || turn?.isHeld !== true) return;
    this.#again = true;
    this.#running ??= this.#run(turn).finally(() => {
      this.#running = undefined;
      if (this.#again) this.#wake();
    });
  }

  async #run(turn: Turn): Promise<void> {
    clearTimeout(this.#timer);
    const signal = AbortSignal.any([this.#stopping.signal, turn.lost]);
    try {
      while (this.#again && !signal.aborted) {
        this.#again = false;
        await this.#readLog(turn);
        await this.#deliver(turn, signal);
      }
      if (!signal.aborted) await this.#sleep();
    } catch (cause) {
      // Another process goes on where this one had to stop.
      if (turn.isHeld) this.#options.onFault("webhooks", cause);
      this.#timer = setTimeout(() => this.#wake(), LONGEST_SLEEP_MS);
      this.#timer.unref();
    }
    if (this.#stopping.signal.aborted) this.#again = false;
  }

  async #readLog(turn: Turn): Promise<void> {
    const { store, ledger } = this.#options;
    const to = ledger.size;
    await store.db.transaction().execute(async (db) => {
      await turn.fence({ db });
      const { value } = await db.selectFrom("meta").select("value").where("key", "=", CURSOR).executeTakeFirstOrThrow();
      const from = Number(value);
      if (from >= to) return;
      const entries = await db
        .selectFrom("entries")
        .select(["index", "bytes"])
        .where("index", ">=", from)
        .where("index", "<", to)
        .where("type", "in", ["round.close", "model.release", "model.stage", "budget.debit"])
        .orderBy("index")
        .execute();
      for (const { index, bytes } of entries) {
        const entry = parseEntry(new Uint8Array(bytes));
        const population = "population" in entry.body ? entry.body.population : "";
        const cap = ledger.view.policy(population)?.policy.limits.epsilon;
        for (const message of messagesOf(index, entry, cap)) await this.enqueue(db, message);
      }
      await db
        .updateTable("meta")
        .set({ value: String(to) })
        .where("key", "=", CURSOR)
        .execute();
    });
  }

  async #deliver(turn: Turn, signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#options;
    while (!signal.aborted) {
      const due = await readDue(store, clock.now(), AT_A_TIME);
      if (due.length === 0) return;
      // All of them have ended before anything is sent again.
      const outcomes = await Promise.allSettled(due.map((row) => this.#deliverOne(row, turn, signal)));
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    }
  }

  async #deliverOne(row: WebhookDeliveriesTable, turn: Turn, signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#options;
    const result = await this.#attempt(row, signal);
    // A message that was under way when the process stops is sent again by the next one.
    if (signal.aborted && result.type === "failed") return;
    await store.db.transaction().execute(async (db) => {
      await turn.fence({ db });
      await db
        .updateTable("webhook_deliveries")
        .set(afterAttempt(row, result, clock.now()))
        .where("id", "=", row.id)
        .where("endpoint", "=", row.endpoint)
        .execute();
    });
  }

  async #attempt(
    row: Pick<WebhookDeliveriesTable, "id" | "endpoint" | "payload">,
    signal: AbortSignal,
  ): Promise<SendResult> {
    const { endpoints, clock, onAttempt, onFault, sender = send } = this.#options;
    const endpoint = endpoints.find(({ name }) => name === row.endpoint);
    if (endpoint === undefined) return { type: "answered", status: 410 };
    try {
      const result = await sender(endpoint, row, { nowMs: clock.now(), signal });
      onAttempt?.(row.endpoint, result);
      return result;
    } catch (cause) {
      onFault(`webhook ${row.endpoint}`, cause);
      return { type: "failed", why: "the secret cannot be read" };
    }
  }

  async #sleep(): Promise<void> {
    const { store, clock } = this.#options;
    if (clock.now() - this.#forgotMs >= FORGETTING_MS) {
      await forgetOld(store, clock.now());
      this.#forgotMs = clock.now();
    }
    const due = await nextDueMs(store);
    if (due === undefined || this.#stopping.signal.aborted) return;
    const wait = Math.min(Math.max(due - clock.now(), 10), LONGEST_SLEEP_MS);
    this.#timer = setTimeout(() => this.#wake(), wait);
    this.#timer.unref();
  }
}
