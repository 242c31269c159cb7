/** `fedloop.yaml`: what the operator of one coordinator decides. What a population does is in its plan. */
import { dirname, join, resolve } from "node:path";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { DEFAULT_RATES } from "../limits/call-limits.js";
import type { BucketRate } from "../limits/token-buckets.js";
import type { NatsOptions } from "../messaging/connect.js";
import type { WebhookEndpoint } from "../webhooks/sender.js";
import { type EnrolmentConfig, enrolmentOf, enrolmentSection, type WrittenEnrolment } from "./enrolment.js";
import { duration, integer, oneOf, section, text } from "./fields.js";
import { type HttpConfig, httpSection, type Listen, listenSection, parseListen } from "./listen.js";
import { isLoopback } from "./loopback.js";
import {
  type ClusterConfig,
  clusterOf,
  clusterSection,
  natsOf,
  natsSection,
  type StoreConfig,
  storeOf,
  storeSection,
  type WrittenCluster,
  type WrittenNats,
  type WrittenStore,
} from "./sharing.js";
import { type TlsFiles, tlsOf, tlsSection, type WrittenTls } from "./tls.js";
import { type WrittenWebhook, webhooksOf, webhooksSection } from "./webhooks.js";
import { auditorsSection, type WitnessConfig, witnessSection } from "./witnesses.js";
import { checkYaml, parseYaml, readYamlFile, type YamlDocument } from "./yaml-document.js";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** A configuration with every default filled in and every path absolute. */
export interface Config {
  /** The name of the log, first line of its checkpoints. It can never change. */
  readonly origin: string;
  readonly dataDir: string;
  /** Folder of the keys: the same for all coordinators that share a store. */
  readonly keysDir: string;
  readonly store: StoreConfig;
  /** Folder of models and sums: the same for all coordinators that share a store. */
  readonly artifactsDir: string;
  /** Where models lie and aggregators get their work; null for this process alone. */
  readonly nats: NatsOptions | null;
  /** How coordinators that share a store reach one another. */
  readonly cluster: ClusterConfig;
  /** Folder of the subject vault: beside the data folder, so that a backup of that one does not hold it. */
  readonly vaultDir: string;
  readonly listen: Listen;
  /** Where HTTP is served, and to pages of which web origins; null for nowhere. */
  readonly http: HttpConfig | null;
  /** Folder that gets the published log as files; null for none. */
  readonly tiles: string | null;
  /** Who must have cosigned what is published; null for nobody. */
  readonly witnesses: WitnessConfig | null;
  /** X25519 keys of auditors, to whom cohort lists are sealed; none for open lists. */
  readonly auditors: readonly Uint8Array[];
  /** Longest silence of the log, milliseconds: then it gets a heartbeat. */
  readonly heartbeatMs: number;
  /** Plan files. */
  readonly plans: readonly string[];
  readonly enrolment: EnrolmentConfig;
  /** Null on loopback only, or where the certificates are in the environment. */
  readonly tls: TlsFiles | null;
  /** Whether FEDLOOP_TLS_CERT and FEDLOOP_TLS_KEY hold the certificates; they go before the files. */
  readonly tlsFromEnvironment: boolean;
  readonly log: { readonly level: LogLevel };
  /** Who is told of what happens. */
  readonly webhooks: readonly WebhookEndpoint[];
  /** How long rounds under way may go on after the signal to end, milliseconds. */
  readonly drainDeadlineMs: number;
  readonly limits: {
    /** Chunked uploads held in memory at a time; each takes the length of an update. */
    readonly concurrentUploads: number;
    /** Calls of one device or token. */
    readonly perIdentity: BucketRate;
    /** Calls from one address. */
    readonly perAddress: BucketRate;
  };
}

/** What of the environment is looked at. */
export type ConfigEnvironment = Readonly<Record<string, string | undefined>>;

const origin = {
  error:
    "a name of letters, digits and . _ ~ : / -, as in coordinator.example.org/lecturers, of at most 200 characters",
};
const plans = { error: "a list of 1 to 100 plan files" };

interface WrittenConfig {
  readonly origin: string;
  readonly dataDir: string;
  readonly vaultDir?: string | undefined;
  readonly keysDir?: string | undefined;
  readonly artifactsDir?: string | undefined;
  readonly nats?: WrittenNats | undefined;
  readonly cluster: WrittenCluster;
  readonly store?: WrittenStore | undefined;
  readonly listen: Listen;
  readonly http?: HttpConfig | undefined;
  readonly tiles?: string | undefined;
  readonly witnesses?: WitnessConfig | undefined;
  readonly auditors: readonly string[];
  readonly heartbeat: number;
  readonly plans: readonly string[];
  readonly enrolment: WrittenEnrolment;
  readonly tls?: WrittenTls | undefined;
  readonly webhooks: readonly WrittenWebhook[];
  readonly drainDeadline: number;
  readonly log: { readonly level: LogLevel };
  readonly limits: Config["limits"];
}

function rateSection({ perSecond, burst }: BucketRate) {
  return section({
    perSecond: integer(1, 1_000_000).default(perSecond),
    burst: integer(1, 10_000_000).default(burst),
  }).prefault({});
}

const configSchema: z.ZodType<WrittenConfig> = section({
  origin: z.string(origin).regex(/^[A-Za-z0-9][A-Za-z0-9._~:/-]{0,199}$/, origin),
  dataDir: text(1_000).default("fedloop-data"),
  vaultDir: text(1_000).optional(),
  keysDir: text(1_000).optional(),
  artifactsDir: text(1_000).optional(),
  nats: natsSection.optional(),
  cluster: clusterSection.prefault({}),
  store: storeSection.optional(),
  listen: listenSection.prefault({}),
  http: httpSection.optional(),
  tiles: text(1_000).optional(),
  witnesses: witnessSection.optional(),
  auditors: auditorsSection.default([]),
  heartbeat: duration().prefault("1h"),
  plans: z.array(text(1_000), plans).min(1, plans).max(100, plans),
  enrolment: enrolmentSection.default({ mode: "open" }),
  tls: tlsSection.optional(),
  log: section({ level: oneOf(LOG_LEVELS).default("info") }).prefault({}),
  webhooks: webhooksSection.default([]),
  drainDeadline: duration().prefault("30s"),
  limits: section({
    concurrentUploads: integer(1, 10_000).default(16),
    perIdentity: rateSection(DEFAULT_RATES.perIdentity),
    perAddress: rateSection(DEFAULT_RATES.perAddress),
  }).prefault({}),
});

function complete(document: YamlDocument, folder: string, environment: ConfigEnvironment): Config {
  const written = checkYaml(document, configSchema, "BAD_CONFIG");
  const { FEDLOOP_LISTEN: listenOverride, FEDLOOP_DATA_DIR: dataDirOverride } = environment;
  const listen = listenOverride === undefined ? written.listen : parseListen(listenOverride, "FEDLOOP_LISTEN");
  const tlsFromEnvironment = environment.FEDLOOP_TLS_CERT !== undefined || environment.FEDLOOP_TLS_KEY !== undefined;
  const hasTls = written.tls !== undefined || tlsFromEnvironment;
  if (!hasTls && !isLoopback(listen.host)) {
    const place = listenOverride === undefined ? `${document.where(["listen", "host"])} listen.host` : "FEDLOOP_LISTEN";
    throw new CoordinatorError(
      "BAD_CONFIG",
      `${place}: expected a loopback address, or tls with cert and key, came ${listen.host} without tls`,
    );
  }
  if (!hasTls && written.http !== undefined && !isLoopback(written.http.host)) {
    throw new CoordinatorError(
      "BAD_CONFIG",
      `${document.where(["http", "host"])} http.host: expected a loopback address, or tls with cert and key, came ${written.http.host} without tls`,
    );
  }
  if (dataDirOverride === "")
    throw new CoordinatorError("BAD_CONFIG", "FEDLOOP_DATA_DIR: expected a folder, came nothing");
  // A path in the environment is relative to where the command runs, one in the file to the file.
  const dataDir = dataDirOverride === undefined ? resolve(folder, written.dataDir) : resolve(dataDirOverride);
  return {
    origin: written.origin,
    dataDir,
    vaultDir: written.vaultDir === undefined ? `${dataDir}-vault` : resolve(folder, written.vaultDir),
    keysDir: written.keysDir === undefined ? join(dataDir, "keys") : resolve(folder, written.keysDir),
    store: storeOf(written.store, folder),
    artifactsDir:
      written.artifactsDir === undefined ? join(dataDir, "artifacts") : resolve(folder, written.artifactsDir),
    nats: natsOf(written.nats, folder),
    cluster: clusterOf(written.cluster, folder),
    listen,
    http: written.http ?? null,
    tiles: written.tiles === undefined ? null : resolve(folder, written.tiles),
    witnesses: written.witnesses ?? null,
    auditors: written.auditors.map((key) => new Uint8Array(Buffer.from(key, "base64url"))),
    heartbeatMs: written.heartbeat,
    plans: written.plans.map((plan) => resolve(folder, plan)),
    enrolment: enrolmentOf(written.enrolment),
    tls: tlsOf(written.tls, folder),
    tlsFromEnvironment,
    log: written.log,
    webhooks: webhooksOf(written.webhooks, folder),
    drainDeadlineMs: written.drainDeadline,
    limits: written.limits,
  };
}

/**
 * Reads a configuration. `FEDLOOP_DATA_DIR` and `FEDLOOP_LISTEN` (host:port) in the environment go before the
 * file; `FEDLOOP_TLS_CERT` and `FEDLOOP_TLS_KEY` before its tls section.
 *
 * @throws CoordinatorError FILE_UNREADABLE, or BAD_CONFIG with line, column and key of everything that is wrong
 */
export async function loadConfig(path: string, environment: ConfigEnvironment): Promise<Config> {
  return complete(await readYamlFile(path, "BAD_CONFIG"), dirname(resolve(path)), environment);
}

/** The same for a configuration that is not in a file; `name` stands for the file's name in messages. */
export function parseConfig(name: string, text: string, folder: string, environment: ConfigEnvironment): Config {
  return complete(parseYaml(name, text, "BAD_CONFIG"), folder, environment);
}
