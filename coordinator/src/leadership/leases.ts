import { setTimeout as wait } from "node:timers/promises";
import { sql } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { LedgerTransaction } from "../ledger/ledger.js";
import type { Store } from "../store/database.js";

/** A lease runs out so long after its last renewal, milliseconds. */
export const LEASE_MS = 10_000;
/** Renewed so many times in its life, and asked for so often by those that wait for it. */
const RENEWALS = 5;
/** Its holder stops when this part of its life is left and no renewal has come through: before others may take it. */
const MARGIN = 0.2;

export interface LeasesOptions {
  readonly store: Store;
  /** This process, by a name that no other one has. */
  readonly holder: string;
  /** Where other coordinators reach this one, host:port; asked for when a lease is taken. */
  readonly address: () => string;
  readonly leaseMs?: number;
  /** A clock that nobody sets, milliseconds. The platform's unless given. */
  readonly monotonic?: { now(): number };
}

/** Who leads, as others may know it. */
export interface Leader {
  readonly holder: string;
  /** host:port. */
  readonly address: string;
}

/** The database's own time: the clocks of the processes need not agree. Milliseconds since the epoch. */
const NOW = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;

/**
 * Leadership as rows of the shared database. Whoever takes a lease gets a token one higher than the last; a transaction
 * that names an older one fails, so a holder that was stopped and wakes up later can write nothing.
 */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #leaseMs: number;
  readonly #monotonic: { now(): number };

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#monotonic = options.monotonic ?? performance;
  }

  /** This process, by name. */
  get holder(): string {
    return this.#options.holder;
  }

  /** How long to wait between two looks at a lease, milliseconds. */
  get intervalMs(): number {
    return this.#leaseMs / RENEWALS;
  }

  /**
   * Waits until the lease is this process's.
   *
   * @returns undefined when the signal was aborted before
   */
  async acquire(name: string, signal: AbortSignal): Promise<Lease | undefined> {
    while (!signal.aborted) {
      const beganMs = this.#monotonic.now();
      // A database that cannot be reached is asked again: there is nothing else to do meanwhile.
      const token = await this.#take(name).catch(() => undefined);
      if (token !== undefined) {
        const ends = { leaseMs: this.#leaseMs, monotonic: this.#monotonic, beganMs };
        return new Lease({ name, token, store: this.#options.store, ...ends });
      }
      await wait(this.intervalMs, undefined, { signal }).catch(() => undefined);
    }
    return undefined;
  }

  /** Who holds a lease now; undefined where nobody does. */
  async leader(name: string): Promise<Leader | undefined> {
    return this.#options.store.db
      .selectFrom("leases")
      .select(["holder", "address"])
      .where("name", "=", name)
      .where("expires_ms", ">", NOW)
      .executeTakeFirst();
  }

  async #take(name: string): Promise<number | undefined> {
    const { store, holder } = this.#options;
    const address = this.#options.address();
    const expires_ms = sql<number>`${NOW} + ${sql.lit(this.#leaseMs)}`;
    const taken = await store.db
      .insertInto("leases")
      .values({ name, holder, address, token: 1, expires_ms })
      .onConflict((conflict) =>
        conflict
          .column("name")
          .doUpdateSet((eb) => ({ holder, address, token: eb("leases.token", "+", 1), expires_ms }))
          .where("leases.expires_ms", "<=", NOW),
      )
      .returning("token")
      .executeTakeFirst();
    return taken?.token;
  }
}

interface LeaseOptions {
  readonly name: string;
  readonly token: number;
  readonly store: Store;
  readonly leaseMs: number;
  readonly monotonic: { now(): number };
  /** When the statement that took it was sent. */
  readonly beganMs: number;
}

/** A lease that this process holds, renewed until it is lost or given back. */
export class Lease implements AsyncDisposable {
  readonly name: string;
  readonly token: number;
  readonly #options: LeaseOptions;
  readonly #lost = new AbortController();
  #renewedMs: number;
  #renewing: NodeJS.Timeout | undefined;
  #ending: NodeJS.Timeout | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.name = options.name;
    this.token = options.token;
    this.#renewedMs = options.beganMs;
    this.#arm();
    this.#schedule();
  }

  /** Aborted when the lease is lost: what it stands for stops at once. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the lease is in force as far as this process can know. */
  get isHeld(): boolean {
    // A process that was stopped finds its timers late: the clock says it first.
    if (!this.#lost.signal.aborted && this.#leftMs <= 0) this.#lose();
    return !this.#lost.signal.aborted;
  }

  /**
   * To be called in every transaction that rests on the lease: nobody else takes it before this transaction has ended.
   *
   * @throws CoordinatorError RETRY when another process leads
   */
  async fence({ db }: Pick<LedgerTransaction, "db">): Promise<void> {
    const row = await db
      .selectFrom("leases")
      .select("token")
      .where("name", "=", this.name)
      .where("token", "=", this.token)
      .forShare()
      .executeTakeFirst();
    if (row !== undefined) return;
    this.#lose();
    throw notLeading(this.name);
  }

  /** Gives it back, so that another one need not wait for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#lose();
    const { store } = this.#options;
    await store.db
      .updateTable("leases")
      .set({ expires_ms: 0 })
      .where("name", "=", this.name)
      .where("token", "=", this.token)
      .execute()
      // It runs out by itself.
      .catch(() => undefined);
  }

  get #leftMs(): number {
    const { leaseMs, monotonic } = this.#options;
    return this.#renewedMs + leaseMs * (1 - MARGIN) - monotonic.now();
  }

  #arm(): void {
    clearTimeout(this.#ending);
    this.#ending = setTimeout(() => this.#lose(), Math.max(this.#leftMs, 0));
  }

  #schedule(): void {
    this.#renewing = setTimeout(() => void this.#renew(), this.#options.leaseMs / RENEWALS);
  }

  async #renew(): Promise<void> {
    const { store, leaseMs, monotonic } = this.#options;
    const beganMs = monotonic.now();
    try {
      const { numUpdatedRows } = await store.db
        .updateTable("leases")
        .set({ expires_ms: sql<number>`${NOW} + ${sql.lit(leaseMs)}` })
        .where("name", "=", this.name)
        .where("token", "=", this.token)
        .executeTakeFirst();
      if (this.#lost.signal.aborted) return;
      if (numUpdatedRows === 0n) return this.#lose();
      this.#renewedMs = beganMs;
      this.#arm();
    } catch {
      // Tried again until the lease is over.
    }
    if (!this.#lost.signal.aborted) this.#schedule();
  }

  #lose(): void {
    clearTimeout(this.#renewing);
    clearTimeout(this.#ending);
    this.#lost.abort();
  }
}

export function notLeading(name: string): CoordinatorError {
  return new CoordinatorError("RETRY", `another coordinator leads ${name} now; come back`, { retryAfterMs: 500 });
}
