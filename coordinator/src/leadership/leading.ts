import { setTimeout as wait } from "node:timers/promises";
import type { Ledger, LedgerTransaction } from "../ledger/ledger.js";
import type { Authenticator } from "../registry/authentication.js";
import type { Registry } from "../registry/registry.js";
import type { Population } from "../rounds/population.js";
import type { Store } from "../store/database.js";
import type { Lease, Leases } from "./leases.js";
import { takeOrder } from "./orders.js";

export interface LeadingOptions {
  readonly leases: Leases;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly authenticator: Authenticator;
  readonly population: Population;
  readonly onFault: (where: string, cause: unknown) => void;
}

/** Leads a population whenever its lease is this process's, and lets go of it at once when it is lost. */
export class Leading {
  readonly #options: LeadingOptions;
  readonly #draining = new AbortController();
  #lease: Lease | undefined;

  constructor(options: LeadingOptions) {
    this.#options = options;
  }

  get isLeading(): boolean {
    return this.#lease?.isHeld ?? false;
  }

  /** Takes no lease any more. The one that is held is given back once the round in which devices work has ended. */
  drain(): void {
    this.#draining.abort();
  }

  /**
   * Waits for the lease, leads, and waits again when it is lost, until the signal is aborted or it is to be drained.
   *
   * @param onFinished called when this process has led the population's rounds to their end; it goes on leading then, so
   * that devices hear of it
   */
  async run(signal: AbortSignal, onFinished: () => void): Promise<void> {
    const { leases, population, onFault } = this.#options;
    const taking = AbortSignal.any([signal, this.#draining.signal]);
    while (!taking.aborted) {
      const lease = await leases.acquire(population.name, taking);
      if (lease === undefined) return;
      try {
        await this.#lead(lease, signal, onFinished);
      } catch (cause) {
        onFault(`leading ${population.name}`, cause);
        // The next one may have more luck, or this one later.
        await wait(leases.intervalMs, undefined, { signal: taking }).catch(() => undefined);
      } finally {
        this.#lease = undefined;
        population.stepDown();
        await lease[Symbol.asyncDispose]();
      }
    }
  }

  /** Does what operators have asked other coordinators for. */
  async #obey(): Promise<void> {
    const { store, population } = this.#options;
    try {
      const round = await takeOrder(store.db, population.name);
      if (round !== undefined) await population.abandonRound(round);
    } catch {
      // It has ended, or the database is away: whoever asked looks at the round itself.
    }
  }

  async #lead(lease: Lease, signal: AbortSignal, onFinished: () => void): Promise<void> {
    const { ledger, registry, authenticator, population } = this.#options;
    const stop = AbortSignal.any([signal, lease.lost]);
    // What other leaders have written since is known before anything is decided.
    registry.forgetAll();
    await ledger.refresh();
    // The nonces of the leader before are not known here.
    authenticator.refuseEarlier(population.name);
    this.#lease = lease;
    // At once, whatever the round's work still waits for: devices go to the one that leads now.
    lease.lost.addEventListener("abort", () => population.stepDown(), { once: true });
    const looking = setInterval(() => void this.#obey(), this.#options.leases.intervalMs);
    try {
      await population.run(stop, (tx: LedgerTransaction) => lease.fence(tx));
    } finally {
      clearInterval(looking);
    }
    const over = AbortSignal.any([stop, this.#draining.signal]);
    if (over.aborted) return;
    onFinished();
    await new Promise<void>((resolve) => over.addEventListener("abort", () => resolve(), { once: true }));
  }
}
