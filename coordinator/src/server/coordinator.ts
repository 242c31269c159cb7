import type { AccessStore } from "../access/access-store.js";
import type { AccessTokens } from "../access/access-tokens.js";
import { openAccess } from "../access/open-access.js";
import type { ConnectHost } from "../http/connect.js";
import type { HttpServer } from "../http/http-server.js";
import type { Ledger } from "../ledger/ledger.js";
import { Publisher } from "../ledger/publisher.js";
import { Upkeep } from "../ledger/upkeep.js";
import { CallLimits, DEFAULT_RATES } from "../limits/call-limits.js";
import type { ContentStore } from "../models/content-store.js";
import type { Registry } from "../registry/registry.js";
import type { Populations } from "../rounds/populations.js";
import type { Store } from "../store/database.js";
import type { Vault } from "../vault/vault.js";
import { Webhooks } from "../webhooks/webhooks.js";
import { type Books, openBooks } from "./books.js";
import { type DeviceServices, serveDevices } from "./device-services.js";
import type { HttpParts } from "./http-services.js";
import { type CoordinatorKeys, loadKeys } from "./keys.js";
import { type Observation, observe } from "./observation.js";
import { type OpenPopulations, openPopulations } from "./open-populations.js";
import type { CoordinatorOptions } from "./options.js";
import { keysFolder, openStorage, type Storage } from "./storage.js";

export type { CoordinatorOptions } from "./options.js";

/** Everything that is open, each part after those it needs. */
interface Parts {
  readonly books: Books;
  readonly opened: OpenPopulations;
  readonly observation: Observation;
  readonly devices: DeviceServices;
  readonly publisher: Publisher;
  readonly http: HttpServer | undefined;
  readonly webhooks: Webhooks;
  readonly upkeep: Upkeep | undefined;
  readonly drain: { readonly requested: AbortController; readonly begun: AbortController };
}

/** What serves HTTP is loaded only where it is served. */
async function openHttp(
  options: CoordinatorOptions,
  books: Books,
  observation: Observation,
  parts: Omit<HttpParts, "connect"> & { readonly connect: ConnectHost | undefined },
): Promise<HttpServer | undefined> {
  const { http = null } = options;
  const { connect } = parts;
  if (http === null || connect === undefined) return undefined;
  const { serveHttp } = await import("./http-services.js");
  return serveHttp({ ...options, http }, books, observation, { ...parts, connect });
}

/** A coordinator, whole: storage, ledger, populations and the gRPC server, opened and closed together. */
export class Coordinator {
  readonly ledger: Ledger;
  readonly store: Store;
  readonly artifacts: ContentStore;
  readonly registry: Registry;
  readonly vault: Vault;
  /** Tokens of the HTTP API: `requireRole` takes them. */
  readonly accessTokens: AccessTokens;
  readonly populations: Populations;
  readonly publisher: Publisher;
  readonly webhooks: Webhooks;
  readonly verifierKey: string;
  readonly port: number;
  /** Null where only gRPC is served. */
  readonly httpPort: number | null;
  readonly #parts: Parts;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(parts: Parts) {
    const { books, opened, devices, publisher, webhooks, http } = parts;
    this.ledger = books.ledger;
    this.store = books.store;
    this.artifacts = books.artifacts;
    this.registry = books.registry;
    this.vault = books.vault;
    this.accessTokens = books.accessTokens;
    this.populations = opened.populations;
    this.publisher = publisher;
    this.webhooks = webhooks;
    this.verifierKey = books.checkpoints.vkey;
    this.port = devices.port;
    this.httpPort = http?.port ?? null;
    this.#parts = parts;
  }

  /**
   * Opens the data folder and listens. Rounds begin with `run`.
   *
   * @throws CoordinatorError STORE_LOCKED, LEDGER_CORRUPT, ADDRESS_IN_USE, BAD_PLAN …
   */
  static async open(options: CoordinatorOptions): Promise<Coordinator> {
    const keys = await loadKeys(keysFolder(options));
    const storage = await openStorage(options);
    let access: AccessStore | undefined;
    try {
      access = await openAccess(options);
      return await Coordinator.#openWith(options, keys, { ...storage, access });
    } catch (cause) {
      // Whoever tries again, in this process too, finds the folder free.
      await access?.close();
      storage.vault.close();
      await storage.store.close();
      throw cause;
    }
  }

  static async #openWith(
    options: CoordinatorOptions,
    keys: CoordinatorKeys,
    storage: Storage & { readonly access: AccessStore },
  ): Promise<Coordinator> {
    const { clock, heartbeatMs } = options;
    const books = await openBooks(options, keys, storage);
    const { ledger, store, verifier, checkpoints } = books;
    const observation = observe(options, books, () => webhooks);
    const { onFault, metrics } = observation;
    const opened = await openPopulations(options, keys, books, observation);
    const limits = new CallLimits(options.rates ?? DEFAULT_RATES, clock);
    const devices = await serveDevices(options, keys, books, opened, observation, limits);
    const webhooks = new Webhooks({
      store,
      ledger,
      endpoints: options.webhooks ?? [],
      clock,
      leases: devices.cluster?.leases,
      onFault,
      onAttempt: (endpoint, result) => metrics.webhookAttempted(endpoint, result),
    });
    const drain = { requested: new AbortController(), begun: new AbortController() };
    let publisher: Publisher | undefined;
    let http: HttpServer | undefined;
    try {
      publisher = await Publisher.open({
        ledger,
        store,
        vkey: checkpoints.vkey,
        verifier,
        tiles: options.tiles ?? undefined,
        witnesses: options.witnesses ?? undefined,
        onFault,
      });
      http = await openHttp(options, books, observation, {
        connect: devices.connect,
        limits,
        publisher,
        populations: opened.populations,
        webhooks,
        abandonRound: (population, round) => {
          const { cluster } = devices;
          const isHere = cluster === undefined || cluster.leads(population);
          return isHere
            ? opened.populations.get(population).abandonRound(round)
            : cluster.abandonRound(population, round);
        },
        drain: { isDraining: () => drain.begun.signal.aborted, request: () => drain.requested.abort() },
      });
    } catch (cause) {
      await devices.server.close(0);
      await publisher?.close();
      throw cause;
    }
    await webhooks.start();
    const upkeep = heartbeatMs === undefined ? undefined : new Upkeep({ ledger, clock, heartbeatMs, onFault });
    return new Coordinator({ books, opened, observation, devices, publisher, http, webhooks, upkeep, drain });
  }

  /**
   * Drives all populations until their rounds are done or the signal is aborted.
   */
  run(signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, this.#stopping.signal]);
    this.#parts.upkeep?.start();
    const { cluster } = this.#parts.devices;
    if (cluster !== undefined) {
      const { finished, ended } = cluster.run(stop);
      this.#running = ended;
      return finished;
    }
    const driven = [...this.populations.all()].map((population) => population.run(stop));
    this.#running = Promise.all(driven).then(() => undefined);
    return this.#running;
  }

  /** Aborted when somebody asked over the API for the end of the process. */
  get drainRequested(): AbortSignal {
    return this.#parts.drain.requested.signal;
  }

  /**
   * Begins no more rounds, says so to who asks whether it is ready, and waits for the rounds in which devices work, up to a
   * deadline: then they are given up. `close` comes after it.
   */
  async drain(deadlineMs: number): Promise<void> {
    const { drain, devices } = this.#parts;
    drain.begun.abort();
    devices.refuseMore();
    devices.cluster?.drain();
    await Promise.all([...this.populations.all()].map((population) => population.drain(deadlineMs)));
    await this.webhooks.settled();
  }

  /** Stops driving, drains the calls under way, and closes what is open. */
  async close(): Promise<void> {
    const { books, opened, observation, devices, http, upkeep } = this.#parts;
    this.#stopping.abort();
    await this.#running.catch(() => undefined);
    await observation.watch.settled();
    await this.webhooks.close();
    devices.cluster?.close();
    await Promise.all([devices.server.close(), http?.close()]);
    await opened.closeUnmaskEngine();
    await books.messaging?.[Symbol.asyncDispose]();
    await upkeep?.close();
    await books.ledger[Symbol.asyncDispose]();
    await this.publisher.close();
    books.vault.close();
    await books.access.close();
    await books.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
