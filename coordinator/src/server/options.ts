import type { ChannelCredentials, ServerCredentials } from "@grpc/grpc-js";
import type { WatchNotice } from "../analytics/watch.js";
import type { HttpTls } from "../http/http-server.js";
import type { WitnessPolicy } from "../ledger/publisher.js";
import type { CallRates } from "../limits/call-limits.js";
import type { NatsOptions } from "../messaging/connect.js";
import type { AnsweredRequest } from "../metrics/metrics.js";
import type { LoadedPlan } from "../plan/load.js";
import type { EnrolmentPolicy } from "../registry/registry.js";
import type { RoundNotice } from "../rounds/engine.js";
import type { RoundRetries } from "../rounds/retries.js";
import type { PausedNotice } from "../rounds/round-driver.js";
import type { ServerCertificates } from "../tls/server-certificates.js";
import type { WebhookEndpoint } from "../webhooks/sender.js";
import type { StoragePlaces } from "./storage.js";

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
  /** Calls of devices that come, that may wait for their turn; the default unless given. */
  readonly waitingCalls?: number;
  /** How much callers may ask; the default rates unless given. */
  readonly rates?: CallRates;
  readonly onFault: (where: string, cause: unknown) => void;
  readonly onNotice?: (population: string, notice: RoundNotice) => void;
  /** Told of every population that was paused because its rounds came to nothing. */
  readonly onPaused?: (population: string, notice: PausedNotice) => void;
  /** How abandoned rounds are tried again; the default unless given. */
  readonly retries?: RoundRetries;
  /** Told of every answered HTTP request. */
  readonly onAnswered?: (request: AnsweredRequest) => void;
  /** Who is told of what happens. */
  readonly webhooks?: readonly WebhookEndpoint[];
  /** Told when drift was found, and when a canary was moved because of answers. */
  readonly onWatch?: (notice: WatchNotice) => void;
  readonly signal?: AbortSignal;
}
