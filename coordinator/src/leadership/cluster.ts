import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { ChannelCredentials } from "@grpc/grpc-js";
import type { Ledger } from "../ledger/ledger.js";
import type { Authenticator } from "../registry/authentication.js";
import type { Registry } from "../registry/registry.js";
import type { Populations } from "../rounds/populations.js";
import type { Store } from "../store/database.js";
import { Forwarder } from "./forwarder.js";
import { Leading } from "./leading.js";
import { Leases } from "./leases.js";
import { askToAbandon } from "./orders.js";

/** What others have written to the log is read this often, milliseconds, by who has no other reason to. */
const FOLLOW_MS = 500;

export interface ClusterOptions {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly populations: Populations;
  readonly authenticator: Authenticator;
  /** Where other coordinators reach this one, host:port; asked for once it listens. */
  readonly address: () => string;
  /** How other coordinators are spoken to. */
  readonly credentials: ChannelCredentials;
  /** What all coordinators of the log know, and nobody else; 32 bytes. */
  readonly secret: Uint8Array;
  readonly leaseMs?: number | undefined;
  readonly onFault: (where: string, cause: unknown) => void;
}

/** This coordinator among those that share its store: it leads the populations whose leases it holds, and follows the log. */
export class Cluster {
  readonly forwarder: Forwarder;
  readonly leases: Leases;
  readonly #options: ClusterOptions;
  readonly #leading = new Map<string, Leading>();
  #following: NodeJS.Timeout | undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.leases = new Leases({
      store: options.store,
      holder: `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`,
      address: options.address,
      ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
    });
    for (const population of options.populations.all()) {
      this.#leading.set(population.name, new Leading({ ...options, leases: this.leases, population }));
    }
    this.forwarder = new Forwarder({
      leases: this.leases,
      registry: options.registry,
      credentials: options.credentials,
      secret: options.secret,
      leads: (population) => this.leads(population),
    });
  }

  /** Whether this process leads a population. */
  leads(population: string): boolean {
    return this.#leading.get(population)?.isLeading ?? true;
  }

  /**
   * Has the leader of a population give a round up.
   *
   * @throws CoordinatorError WRONG_STATE, RETRY
   */
  abandonRound(population: string, round: number): Promise<void> {
    // A leader looks so often, and one that has just taken over needs as long again.
    return askToAbandon(this.#options.store.db, population, round, 3 * this.leases.intervalMs);
  }

  /**
   * Leads until the signal is aborted.
   *
   * @returns what resolves when this process has led every population's rounds to their end, or the signal is aborted;
   * and what resolves when it leads nothing any more
   */
  run(signal: AbortSignal): { readonly finished: Promise<void>; readonly ended: Promise<void> } {
    const { ledger } = this.#options;
    this.#following = setInterval(() => void ledger.refresh().catch(() => undefined), FOLLOW_MS);
    const finished: Promise<void>[] = [];
    const ended: Promise<void>[] = [];
    for (const leading of this.#leading.values()) {
      let finish: () => void = () => undefined;
      finished.push(
        new Promise((resolve) => {
          finish = resolve;
        }),
      );
      ended.push(leading.run(signal, finish).finally(finish));
    }
    return {
      finished: Promise.all(finished).then(() => undefined),
      ended: Promise.all(ended).then(() => undefined),
    };
  }

  /** Leads nothing more than the rounds under way, and gives each population to another coordinator as its round ends. */
  drain(): void {
    for (const leading of this.#leading.values()) leading.drain();
  }

  close(): void {
    clearInterval(this.#following);
    this.forwarder.close();
  }
}
