import { join } from "node:path";
import { noteSigner, parseVkey, type SignatureVerifier } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { MaskPool } from "@fedloop/privacy/secagg/node";
import { Artifacts, Consent, Enrollment, Rounds, Transparency } from "@fedloop/proto";
import { ChannelCredentials, type ServerCredentials } from "@grpc/grpc-js";
import type { FastifyPluginAsync } from "fastify";
import type { AccessStore } from "../access/access-store.js";
import { AccessTokens } from "../access/access-tokens.js";
import { Invitations } from "../access/invitations.js";
import { openAccess } from "../access/open-access.js";
import { isInScope, requireRole } from "../access/require-role.js";
import { adminApi } from "../admin/api.js";
import type { AdminDependencies } from "../admin/dependencies.js";
import { driftMessage, Watch, type WatchNotice } from "../analytics/watch.js";
import { ConnectHost } from "../http/connect.js";
import { HttpServer, type HttpTls } from "../http/http-server.js";
import { operationsRoutes } from "../http/operations.js";
import { type ConsentCentre, pageRoutes, pagesFolder } from "../http/pages.js";
import { tileRoutes } from "../http/tiles.js";
import { Cluster } from "../leadership/cluster.js";
import { Ledger } from "../ledger/ledger.js";
import { Publisher, type WitnessPolicy } from "../ledger/publisher.js";
import { Upkeep } from "../ledger/upkeep.js";
import { CallLimits, type CallRates, DEFAULT_RATES } from "../limits/call-limits.js";
import type { NatsOptions } from "../messaging/connect.js";
import { Messaging } from "../messaging/messaging.js";
import type { AnsweredRequest, Metrics } from "../metrics/metrics.js";
import { PrometheusMetrics } from "../metrics/prometheus.js";
import { ArtifactStore } from "../models/artifact-store.js";
import type { ContentStore } from "../models/content-store.js";
import { initialParameters } from "../models/initial-model.js";
import { encodeSafetensors } from "../models/safetensors.js";
import type { LoadedPlan } from "../plan/load.js";
import { Authenticator } from "../registry/authentication.js";
import { type EnrolmentPolicy, Registry } from "../registry/registry.js";
import { buildSchedule } from "../rounds/build-schedule.js";
import type { RoundNotice } from "../rounds/engine.js";
import { Population } from "../rounds/population.js";
import { Populations } from "../rounds/populations.js";
import { Turnstile } from "../rounds/turnstile.js";
import { artifactsService } from "../rpc/artifacts.js";
import { consentService } from "../rpc/consent.js";
import { enrollmentService } from "../rpc/enrollment.js";
import { GrpcServer } from "../rpc/grpc-server.js";
import { ModelChunks } from "../rpc/model-chunks.js";
import { roundsService } from "../rpc/rounds.js";
import { transparencyService } from "../rpc/transparency.js";
import type { Store } from "../store/database.js";
import type { ServerCertificates } from "../tls/server-certificates.js";
import { Erasures } from "../vault/erasures.js";
import { Tombstones, tombstonesPath } from "../vault/tombstones.js";
import type { Vault } from "../vault/vault.js";
import type { WebhookEndpoint } from "../webhooks/sender.js";
import { Webhooks } from "../webhooks/webhooks.js";
import { addHealth } from "./health.js";
import { type CoordinatorKeys, loadKeys } from "./keys.js";
import { type Policy, publishPolicy } from "./policies.js";
import { addReflection } from "./reflection.js";
import { keysFolder, openStorage, type StoragePlaces } from "./storage.js";

export interface CoordinatorOptions extends StoragePlaces {
  /** Name of the log: the first line of its checkpoints. */
  readonly origin: string;
  readonly plans: readonly LoadedPlan[];
  readonly enrolment: EnrolmentPolicy;
  readonly credentials: ServerCredentials;
  /** Where the certificates of HTTP are renewed; those of gRPC renew themselves. */
  readonly certificates?: Pick<ServerCertificates, "onRenewal"> | null;
  /** host:port; port 0 takes a free one. */
  readonly address: string;
  /** A folder that gets the log's tiles as files. */
  readonly tiles?: string | null;
  /** Who must have cosigned what is published; nobody unless given. */
  readonly witnesses?: WitnessPolicy | null;
  /** X25519 keys of the auditors, 32 bytes each, to whom cohort lists are sealed; open lists unless given. */
  readonly auditors?: readonly Uint8Array[];
  /** Longest silence of the log, milliseconds, before it gets a heartbeat; none unless given. */
  readonly heartbeatMs?: number;
  /** Where HTTP is served too, and under which certificates; nowhere unless given. */
  readonly http?: {
    readonly host: string;
    readonly port: number;
    readonly tls: HttpTls | null;
    /** Web origins whose pages may take part. */
    readonly corsOrigins: readonly string[];
    /** Whether a consent centre is served, and for which jurisdiction; none unless given. */
    readonly consentCentre?: { readonly jurisdiction: string } | undefined;
  } | null;
  /** How this coordinator stands to those that share its store: how they reach it, and how it reaches them. */
  readonly cluster?: {
    /** host:port; where it listens unless given. */
    readonly address?: string | undefined;
    /** Without TLS unless given. */
    readonly credentials?: ChannelCredentials | undefined;
    /** How long a lease lasts without renewal. */
    readonly leaseMs?: number | undefined;
  };
  /** Where models lie in an object store and groups are summed by aggregators; neither unless given. */
  readonly nats?: NatsOptions | null;
  readonly clock: { now(): number };
  readonly concurrentUploads: number;
  /** How much callers may ask; the default rates unless given. */
  readonly rates?: CallRates;
  readonly onFault: (where: string, cause: unknown) => void;
  readonly onNotice?: (population: string, notice: RoundNotice) => void;
  /** Told of every answered HTTP request. */
  readonly onAnswered?: (request: AnsweredRequest) => void;
  /** Who is told of what happens. */
  readonly webhooks?: readonly WebhookEndpoint[];
  /** Told when drift was found, and when a canary was moved because of answers. */
  readonly onWatch?: (notice: WatchNotice) => void;
  readonly signal?: AbortSignal;
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
  readonly verifierKey: string;
  readonly port: number;
  /** Null where only gRPC is served. */
  readonly httpPort: number | null;
  readonly #server: GrpcServer;
  readonly #http: HttpServer | undefined;
  readonly publisher: Publisher;
  readonly #upkeep: Upkeep | undefined;
  readonly #cluster: Cluster | undefined;
  readonly #messaging: Messaging | undefined;
  readonly #watch: Watch;
  readonly #closeUnmaskEngine: () => Promise<void>;
  readonly #access: AccessStore;
  readonly webhooks: Webhooks;
  readonly #drain: { readonly requested: AbortController; readonly begun: AbortController };
  readonly #refuseMore: () => void;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(parts: {
    ledger: Ledger;
    store: Store;
    artifacts: ContentStore;
    registry: Registry;
    vault: Vault;
    access: AccessStore;
    accessTokens: AccessTokens;
    populations: Populations;
    verifierKey: string;
    port: number;
    server: GrpcServer;
    http: HttpServer | undefined;
    publisher: Publisher;
    upkeep: Upkeep | undefined;
    cluster: Cluster | undefined;
    messaging: Messaging | undefined;
    watch: Watch;
    closeUnmaskEngine: () => Promise<void>;
    webhooks: Webhooks;
    drain: { readonly requested: AbortController; readonly begun: AbortController };
    refuseMore: () => void;
  }) {
    this.webhooks = parts.webhooks;
    this.#drain = parts.drain;
    this.#refuseMore = parts.refuseMore;
    this.ledger = parts.ledger;
    this.store = parts.store;
    this.artifacts = parts.artifacts;
    this.registry = parts.registry;
    this.vault = parts.vault;
    this.#access = parts.access;
    this.accessTokens = parts.accessTokens;
    this.populations = parts.populations;
    this.verifierKey = parts.verifierKey;
    this.port = parts.port;
    this.httpPort = parts.http?.port ?? null;
    this.#server = parts.server;
    this.#http = parts.http;
    this.publisher = parts.publisher;
    this.#upkeep = parts.upkeep;
    this.#cluster = parts.cluster;
    this.#messaging = parts.messaging;
    this.#watch = parts.watch;
    this.#closeUnmaskEngine = parts.closeUnmaskEngine;
  }

  /**
   * Opens the data folder and listens. Rounds begin with `run`.
   *
   * @throws CoordinatorError STORE_LOCKED, LEDGER_CORRUPT, ADDRESS_IN_USE, BAD_PLAN …
   */
  static async open(options: CoordinatorOptions): Promise<Coordinator> {
    const keys = await loadKeys(keysFolder(options));
    const { store, vault } = await openStorage(options);
    let access: AccessStore | undefined;
    try {
      access = await openAccess(options);
      return await Coordinator.#openWith(options, keys, store, vault, access);
    } catch (cause) {
      // Whoever tries again, in this process too, finds the folder free.
      await access?.close();
      vault.close();
      await store.close();
      throw cause;
    }
  }

  static async #openWith(
    options: CoordinatorOptions,
    keys: CoordinatorKeys,
    store: Store,
    vault: Vault,
    access: AccessStore,
  ): Promise<Coordinator> {
    const { clock, dataDir, origin } = options;
    const accessTokens = new AccessTokens(access, clock);
    const folder = await ArtifactStore.open(options.artifactsDir ?? join(dataDir, "artifacts"), {
      isShared: store.isShared,
    });
    const messaging = options.nats
      ? await Messaging.open({ ...options, nats: options.nats, secret: keys.cluster, folder })
      : undefined;
    const artifacts: ContentStore = messaging?.artifacts ?? folder;
    const checkpoints = noteSigner(origin, keys.checkpoint);
    const ledger = await Ledger.open({ store, origin, operatorSigner: keys.operator, noteSigner: checkpoints, clock });
    const verifier: SignatureVerifier = nodeVerifier();
    const tombstones = store.isShared ? undefined : await Tombstones.open(tombstonesPath(options));
    const erasures = await Erasures.open({ store, ledger, vault, clock, tombstones });
    const registry = new Registry({
      store,
      verifier,
      clock,
      policy:
        options.enrolment.type === "token"
          ? { invitations: new Invitations(access, clock), ...options.enrolment }
          : options.enrolment,
      vault,
      isErasedKey: (publicKey) => erasures.isErasedKey(publicKey),
    });
    let pool: MaskPool | undefined;
    // Threads are started by the first round that needs them, once for all.
    const unmaskEngine = (): MaskPool => {
      pool ??= new MaskPool();
      return pool;
    };
    const policies = new Map<string, Policy>();
    const list: Population[] = [];
    const metrics = new PrometheusMetrics(clock);
    const onFault: CoordinatorOptions["onFault"] = (where, cause) => {
      metrics.faulted();
      options.onFault(where, cause);
    };
    const watch = new Watch({
      ledger,
      store,
      artifacts,
      clock,
      plans: options.plans.map(({ plan }) => plan),
      onFault,
      onNotice: async (notice) => {
        options.onWatch?.(notice);
        if (notice.type === "drift") await webhooks.emit("drift.detected", ...driftMessage(notice.report));
      },
    });
    const onNotice = (population: string, notice: RoundNotice): void => {
      metrics.roundEntered(population, notice);
      options.onNotice?.(population, notice);
      if (notice.state === "closed") watch.closed(population);
    };
    for (const loaded of options.plans) {
      const policy = await publishPolicy(ledger, loaded, keys.operator.publicKey);
      policies.set(loaded.plan.population, policy);
      const schedule = buildSchedule(loaded.plan, policy.version);
      const initialModel = await initialise(store, artifacts, loaded, clock);
      const random = aesCtrRandom();
      list.push(
        new Population(
          {
            ...options,
            onNotice,
            ledger,
            store,
            artifacts,
            registry,
            verifier,
            random,
            unmaskEngine,
            assignGroup: messaging && ((parameters) => messaging.aggregators.assign(parameters)),
            noiseKey: keys.noise,
            untilDue: (trained, signal) => watch.untilDue(loaded.plan.watch, trained, signal),
          },
          schedule,
          initialModel,
        ),
      );
    }
    const populations = new Populations(list);
    const verifierKey = checkpoints.vkey;
    const signed = new Authenticator({ registry, verifier, clock });
    const authenticator = counted(signed, metrics);
    const models = new ModelChunks();
    const turnstile = new Turnstile();
    const limits = new CallLimits(options.rates ?? DEFAULT_RATES, clock);
    let address = options.address;
    const cluster = store.isShared
      ? new Cluster({
          ...{ store, ledger, registry, populations, authenticator: signed, onFault },
          secret: keys.cluster,
          address: () => options.cluster?.address ?? address,
          credentials: options.cluster?.credentials ?? ChannelCredentials.createInsecure(),
          leaseMs: options.cluster?.leaseMs,
        })
      : undefined;
    const calls = { authenticator, clock, limits, onFault, forwarder: cluster?.forwarder };
    const server = new GrpcServer(calls);
    const connect = new ConnectHost({ ...calls, corsOrigins: options.http?.corsOrigins ?? [] });
    for (const host of [server, connect]) {
      host.add(Enrollment, ["enroll"], enrollmentService({ ledger, registry, clock, log: { origin, verifierKey } }));
      host.add(
        Consent,
        ["getNotice", "getErasure"],
        consentService({
          ledger,
          populations,
          policies,
          verifier,
          clock,
          origin,
          store,
          vault,
          erasures,
          registry,
          operator: keys.operator,
        }),
      );
      host.add(Rounds, [], roundsService({ ledger, populations, models, turnstile, clock }));
      host.add(Artifacts, [], artifactsService({ ledger, populations, models, turnstile }));
      host.add(
        Transparency,
        ["getCheckpoint", "getInclusionProof", "getConsistencyProof"],
        transparencyService(ledger),
      );
    }
    const refuseMore = addHealth(server.server);
    addReflection(server.server);
    const port = await server.listen(options.address, options.credentials);
    address = options.address.replace(/:\d+$/, `:${port}`);
    const publisher = await Publisher.open({
      ledger,
      store,
      vkey: verifierKey,
      verifier,
      tiles: options.tiles ?? undefined,
      witnesses: options.witnesses ?? undefined,
      onFault,
    }).catch(async (cause: unknown) => {
      await server.close(0);
      throw cause;
    });
    const webhooks = new Webhooks({
      store,
      ledger,
      endpoints: options.webhooks ?? [],
      clock,
      leases: cluster?.leases,
      onFault,
      onAttempt: (endpoint, result) => metrics.webhookAttempted(endpoint, result),
    });
    const drain = { requested: new AbortController(), begun: new AbortController() };
    const admin: AdminDependencies = {
      store,
      ledger,
      publisher,
      artifacts,
      populations,
      clock,
      origin,
      verifierKey,
      witnesses: (options.witnesses?.witnesses ?? []).map(({ vkey }) => ({ name: parseVkey(vkey).name, vkey })),
      quorum: options.witnesses?.quorum ?? 0,
      guard: (requirement) => requireRole(accessTokens, { ...requirement, limits }),
      maySee: (request, population) => isInScope(request.access, population),
      webhooks,
      drain: { isDraining: () => drain.begun.signal.aborted, request: () => drain.requested.abort() },
      onFault,
    };
    const routes = [tileRoutes(publisher), connect.routes, adminApi(admin), operationsRoutes(admin, metrics)];
    routes.push(pageRoutes(pagesFolder(), consentCentre(options)));
    const onAnswered = (request: AnsweredRequest): void => {
      metrics.requestAnswered(request);
      options.onAnswered?.(request);
    };
    const http = await openHttp({ ...options, limits, onFault, onAnswered }, routes).catch(async (cause: unknown) => {
      await server.close(0);
      await publisher.close();
      throw cause;
    });
    if (http !== undefined) options.certificates?.onRenewal((tls) => http.renew(tls));
    await webhooks.start();
    return new Coordinator({
      webhooks,
      drain,
      refuseMore,
      ledger,
      store,
      artifacts,
      registry,
      vault,
      access,
      accessTokens,
      populations,
      verifierKey,
      port,
      server,
      http,
      publisher,
      cluster,
      messaging,
      upkeep:
        options.heartbeatMs === undefined
          ? undefined
          : new Upkeep({ ledger, clock, heartbeatMs: options.heartbeatMs, onFault }),
      watch,
      closeUnmaskEngine: async () => pool?.close(),
    });
  }

  /**
   * Drives all populations until their rounds are done or the signal is aborted.
   */
  run(signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, this.#stopping.signal]);
    this.#upkeep?.start();
    if (this.#cluster !== undefined) {
      const { finished, ended } = this.#cluster.run(stop);
      this.#running = ended;
      return finished;
    }
    const driven = [...this.populations.all()].map((population) => population.run(stop));
    this.#running = Promise.all(driven).then(() => undefined);
    return this.#running;
  }

  /** Aborted when somebody asked over the API for the end of the process. */
  get drainRequested(): AbortSignal {
    return this.#drain.requested.signal;
  }

  /**
   * Begins no more rounds, says so to who asks whether it is ready, and waits for the rounds in which devices work, up to a
   * deadline: then they are given up. `close` comes after it.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#drain.begun.abort();
    this.#refuseMore();
    this.#cluster?.drain();
    await Promise.all([...this.populations.all()].map((population) => population.drain(deadlineMs)));
    await this.webhooks.settled();
  }

  /** Stops driving, drains the calls under way, and closes what is open. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#running.catch(() => undefined);
    await this.#watch.settled();
    await this.webhooks.close();
    this.#cluster?.close();
    await Promise.all([this.#server.close(), this.#http?.close()]);
    await this.#closeUnmaskEngine();
    await this.#messaging?.[Symbol.asyncDispose]();
    await this.#upkeep?.close();
    await this.ledger[Symbol.asyncDispose]();
    await this.publisher.close();
    this.vault.close();
    await this.#access.close();
    await this.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What the consent centre asks; null where none is served. */
function consentCentre({ http, plans }: CoordinatorOptions): ConsentCentre | null {
  const centre = http?.consentCentre ?? null;
  if (centre === null) return null;
  const offers = plans.map(({ plan: { population, controller, purpose, dataCategories } }) => {
    return { population, controller, purpose, dataCategories };
  });
  return { ...centre, offers };
}

/** Serves the route groups where the options say so. */
async function openHttp(
  {
    http,
    onFault,
    onAnswered,
    limits,
  }: { readonly limits: CallLimits } & Pick<CoordinatorOptions, "http" | "onFault"> &
    Required<Pick<CoordinatorOptions, "onAnswered">>,
  routes: readonly FastifyPluginAsync[],
): Promise<HttpServer | undefined> {
  return http === undefined || http === null
    ? undefined
    : HttpServer.open({ ...http, routes, limits, onFault, onAnswered });
}

/** The authenticator, with its calls counted. */
function counted(authenticator: Authenticator, metrics: Metrics): Pick<Authenticator, "authenticate"> {
  return {
    authenticate(path, credentials, signed) {
      metrics.callReceived(
        path,
        signed.reduce((bytes, part) => bytes + part.length, 0),
      );
      return authenticator.authenticate(path, credentials, signed);
    },
  };
}

/** The population's row and the model before any round. */
async function initialise(
  store: Store,
  artifacts: ContentStore,
  { plan }: LoadedPlan,
  clock: { now(): number },
): Promise<Uint8Array> {
  await store.db
    .insertInto("populations")
    .values({ name: plan.population, plan: JSON.stringify(plan), state: "running", created_ms: clock.now() })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ plan: JSON.stringify(plan) }))
    .execute();
  const { tensors } = plan.model;
  const model = await artifacts.put(
    encodeSafetensors({
      tensors,
      parameters: initialParameters(plan),
      metadata: { population: plan.population, round: "0" },
    }),
  );
  await store.db
    .insertInto("models")
    .values({ sha256: model, population: plan.population, round: 0, created_ms: clock.now() })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return model;
}
