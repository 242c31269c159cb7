/** `fedloop.yaml`: what the operator of one coordinator decides. What a population does is in its plan. */
import { dirname, join, resolve } from "node:path";
import { parseVkey } from "@fedloop/consent";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { DEFAULT_RATES } from "../limits/call-limits.js";
import type { BucketRate } from "../limits/token-buckets.js";
import type { NatsOptions } from "../messaging/connect.js";
import type { WebhookEndpoint } from "../webhooks/sender.js";
import { duration, integer, oneOf, section, text } from "./fields.js";
import { type WrittenWebhook, webhooksOf, webhooksSection } from "./webhooks.js";
import { checkYaml, parseYaml, readYamlFile, type YamlDocument } from "./yaml-document.js";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where gRPC or HTTP is served. */
export interface Listen {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Certificates in PEM, as absolute paths. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** When given, callers must show a certificate that this authority signed. */
  readonly clientCa: string | null;
  /** How often the files are looked at for a renewal, milliseconds. */
  readonly reloadMs: number;
}

/** Who may enroll: anyone; who holds an invitation, of which only the hash is known here; or who is attested. */
export type EnrolmentConfig =
  | { readonly type: "open" }
  | { readonly type: "token"; readonly tokens: readonly { readonly sha256: Uint8Array; readonly expiresMs: number }[] }
  | {
      readonly type: "attestation";
      /** A service that is asked about each statement, or the hashes of those that are known. */
      readonly by:
        | { readonly type: "http"; readonly url: string; readonly timeoutMs: number }
        | { readonly type: "allowed"; readonly hashes: readonly Uint8Array[] };
    };

/** Witnesses of the log, as the configuration names them. */
export interface WitnessConfig {
  /** How many of them must have cosigned. */
  readonly quorum: number;
  readonly members: readonly {
    /** C2SP verifier key of a cosigner. */
    readonly key: string;
    /** Submission prefix: add-checkpoint is below it. */
    readonly url: string;
  }[];
}

/** Where the state is: in a file in the data folder, or in a database whose URL, a secret, stands somewhere else. */
export type StoreConfig =
  | { readonly type: "sqlite" }
  /** A file that holds the URL; null where it is in the environment, as FEDLOOP_POSTGRES_URL. */
  | { readonly type: "postgres"; readonly urlFile: string | null };

export interface ClusterConfig {
  /** host:port at which the others reach this one; null for where it listens. */
  readonly address: string | null;
  /** Who signed the others' certificates, PEM; null for the authorities that the system knows. */
  readonly ca: string | null;
  /** A population whose leader is not heard of for so long gets another, milliseconds. */
  readonly leaseMs: number;
}

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

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;

/** Whether nobody outside this machine reaches the host. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

const origin = {
  error:
    "a name of letters, digits and . _ ~ : / -, as in coordinator.example.org/lecturers, of at most 200 characters",
};
const host = { error: 'a host name or address, as in "127.0.0.1"' };
const tokenHash = { error: "the SHA-256 of the invitation, as 64 hexadecimal digits" };
const instant = { error: 'a time with its zone, as in "2026-06-30T12:00:00Z"' };
const plans = { error: "a list of 1 to 100 plan files" };

const webOrigin = { error: 'a web origin, as in "https://app.example.org", without a path' };
const webOrigins = { error: "a list of at most 100 web origins" };

const natsServers = { error: "a list of 1 to 16 NATS servers" };
const natsServer = {
  error: 'a NATS server without a password in it: "nats://127.0.0.1:4222", or off this machine "tls://host:4222"',
};

function isNatsServer(written: string): boolean {
  if (!URL.canParse(written)) return false;
  const { protocol, hostname, username } = new URL(written);
  const isSecure = protocol === "tls:" || (protocol === "nats:" && isLoopback(hostname.replace(/^\[|\]$/g, "")));
  return isSecure && username === "";
}

const hostAndPort = { error: "host:port at which other coordinators reach this one" };

const attestationUrl = { error: 'an https address, as in "https://attest.example.org/check", or http on loopback' };
const allowed = { error: "a list of 1 to 100000 hashes of statements" };
const tokens = { error: "a list of 1 to 1000 tokens" };

function listenAt(port: number) {
  return {
    host: z
      .string(host)
      .regex(/^[A-Za-z0-9.:-]{1,253}$/, host)
      .default("127.0.0.1"),
    port: integer(0, 65_535).default(port),
  };
}

const listenSection = section(listenAt(7443));

const jurisdiction = { error: 'whose law consents are given under, as in "CH"' };

const httpSection = section({
  ...listenAt(7480),
  consentCentre: section({ jurisdiction: z.string(jurisdiction).regex(/^[^\n\r]{1,100}$/, jurisdiction) }).optional(),
  corsOrigins: z.array(z.string(webOrigin).refine(isWebOrigin, webOrigin), webOrigins).max(100, webOrigins).default([]),
});

/** As browsers write an origin: scheme, host and a port that is not the scheme's own; neither "*" nor a path. */
function isWebOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

/** Where HTTP is served, and what of it. */
export interface HttpConfig extends Listen {
  /** Web origins whose pages may take part. */
  readonly corsOrigins: readonly string[];
  /** Whether participants find a consent centre there. */
  readonly consentCentre?: { readonly jurisdiction: string } | undefined;
}

interface WrittenToken {
  readonly sha256: string;
  readonly expires: string;
}

interface WrittenEnrolment {
  readonly mode: "open" | "token" | "attestation";
  readonly tokens?: readonly WrittenToken[] | undefined;
  readonly attestation?:
    | { readonly url?: string | undefined; readonly timeout: number; readonly allow?: readonly string[] | undefined }
    | undefined;
}

interface WrittenConfig {
  readonly origin: string;
  readonly dataDir: string;
  readonly vaultDir?: string | undefined;
  readonly keysDir?: string | undefined;
  readonly artifactsDir?: string | undefined;
  readonly nats?:
    | {
        readonly servers: readonly string[];
        readonly credentials?: string | undefined;
        readonly ca?: string | undefined;
      }
    | undefined;
  readonly cluster: { readonly address?: string | undefined; readonly ca?: string | undefined; readonly lease: number };
  readonly store?: { readonly postgres: { readonly urlFile?: string | undefined } } | undefined;
  readonly listen: Listen;
  readonly http?: HttpConfig | undefined;
  readonly tiles?: string | undefined;
  readonly witnesses?: WitnessConfig | undefined;
  readonly auditors: readonly string[];
  readonly heartbeat: number;
  readonly plans: readonly string[];
  readonly enrolment: WrittenEnrolment;
  readonly tls?:
    | { readonly cert: string; readonly key: string; readonly clientCa?: string | undefined; readonly reload: number }
    | undefined;
  readonly webhooks: readonly WrittenWebhook[];
  readonly drainDeadline: number;
  readonly log: { readonly level: LogLevel };
  readonly limits: Config["limits"];
}

const enrolmentSection = section({
  mode: oneOf(["open", "token", "attestation"]),
  tokens: z
    .array(
      section({
        sha256: z.string(tokenHash).regex(/^[0-9a-f]{64}$/, tokenHash),
        expires: z.iso.datetime({ offset: true, ...instant }),
      }),
      tokens,
    )
    .min(1, tokens)
    .max(1_000, tokens)
    .optional(),
  attestation: section({
    url: z.string(attestationUrl).refine(isGuardedUrl, attestationUrl).optional(),
    timeout: duration(60_000).prefault("5s"),
    allow: z
      .array(z.string(tokenHash).regex(/^[0-9a-f]{64}$/, tokenHash), allowed)
      .min(1, allowed)
      .max(100_000, allowed)
      .optional(),
  }).optional(),
}).superRefine(({ mode, tokens, attestation }, context) => {
  const refuse = (message: string): void => context.addIssue({ code: "custom", path: ["mode"], message });
  if (mode !== "token" && tokens !== undefined)
    refuse(`expected tokens with mode token only, came mode ${mode} and tokens`);
  if ((mode === "attestation") !== (attestation !== undefined)) {
    refuse(`expected attestation with mode attestation and only with it, came mode ${mode}`);
  }
  if (attestation !== undefined && (attestation.url === undefined) === (attestation.allow === undefined)) {
    refuse("expected attestation to have a url or a list allow, and not both");
  }
});

/** Statements say what devices are: off this machine they go under TLS only. */
function isGuardedUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname.replace(/^\[|\]$/g, "")));
}

const auditorKey = { error: "an auditor's X25519 public key, 32 bytes as base64url, from `fedloop-audit keygen`" };
const auditorKeys = { error: "a list of at most 64 keys of auditors" };
const witnessKey = { error: "a witness's verifier key, as `fedloop witness` prints it" };
const witnessUrl = { error: 'the witness\'s address, as in "https://witness.example.org"' };
const members = { error: "a list of 1 to 64 witnesses" };

const witnessSection = section({
  quorum: integer(1, 64),
  members: z
    .array(
      section({
        key: z.string(witnessKey).refine(isCosignerKey, witnessKey),
        url: z.string(witnessUrl).regex(/^https?:\/\/[^\s?#]+$/, witnessUrl),
      }),
      members,
    )
    .min(1, members)
    .max(64, members),
}).superRefine(({ quorum, members }, context) => {
  if (quorum <= new Set(members.map(({ key }) => key)).size) return;
  const message = `expected at most as many as there are different witnesses, came ${quorum} of ${members.length}`;
  context.addIssue({ code: "custom", path: ["quorum"], message });
});

function isCosignerKey(text: string): boolean {
  try {
    return parseVkey(text).algorithm === "cosignature/v1";
  } catch {
    return false;
  }
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
  nats: section({
    servers: z
      .array(z.string(natsServer).refine(isNatsServer, natsServer), natsServers)
      .min(1, natsServers)
      .max(16, natsServers),
    credentials: text(1_000).optional(),
    ca: text(1_000).optional(),
  }).optional(),
  cluster: section({
    address: z
      .string(hostAndPort)
      .regex(/^[A-Za-z0-9.:[\]-]{1,253}:\d{1,5}$/, hostAndPort)
      .optional(),
    ca: text(1_000).optional(),
    lease: duration().prefault("10s"),
  }).prefault({}),
  store: section({ postgres: section({ urlFile: text(1_000).optional() }) }).optional(),
  listen: listenSection.prefault({}),
  http: httpSection.optional(),
  tiles: text(1_000).optional(),
  witnesses: witnessSection.optional(),
  auditors: z
    .array(z.string(auditorKey).regex(/^[A-Za-z0-9_-]{43}$/, auditorKey), auditorKeys)
    .max(64, auditorKeys)
    .default([]),
  heartbeat: duration().prefault("1h"),
  plans: z.array(text(1_000), plans).min(1, plans).max(100, plans),
  enrolment: enrolmentSection.default({ mode: "open" }),
  tls: section({
    cert: text(1_000),
    key: text(1_000),
    clientCa: text(1_000).optional(),
    reload: duration().prefault("1m"),
  }).optional(),
  log: section({ level: oneOf(LOG_LEVELS).default("info") }).prefault({}),
  webhooks: webhooksSection.default([]),
  drainDeadline: duration().prefault("30s"),
  limits: section({
    concurrentUploads: integer(1, 10_000).default(16),
    perIdentity: rateSection(DEFAULT_RATES.perIdentity),
    perAddress: rateSection(DEFAULT_RATES.perAddress),
  }).prefault({}),
});

/** An address as host:port or [host]:port. @throws CoordinatorError BAD_CONFIG, with what it stood in */
export function parseListen(written: string, where: string): Listen {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(written) ?? [];
  const parsed = listenSection.safeParse({ host: bracketed ?? plain, port: Number(port) });
  if (port !== undefined && parsed.success) return parsed.data;
  throw new CoordinatorError(
    "BAD_CONFIG",
    `${where}: expected host:port, as in 127.0.0.1:7443 or [::1]:7443, came ${JSON.stringify(written.slice(0, 60))}`,
  );
}

function enrolmentOf({ mode, tokens = [], attestation }: WrittenEnrolment): EnrolmentConfig {
  if (attestation?.url !== undefined) {
    return { type: "attestation", by: { type: "http", url: attestation.url, timeoutMs: attestation.timeout } };
  }
  if (attestation !== undefined) {
    const hashes = (attestation.allow ?? []).map((hash) => Uint8Array.from(Buffer.from(hash, "hex")));
    return { type: "attestation", by: { type: "allowed", hashes } };
  }
  if (mode !== "token") return { type: "open" };
  return {
    type: "token",
    tokens: tokens.map(({ sha256, expires }) => ({
      sha256: Uint8Array.from(Buffer.from(sha256, "hex")),
      expiresMs: Date.parse(expires),
    })),
  };
}

function tlsOf(tls: WrittenConfig["tls"], folder: string): TlsFiles | null {
  if (tls === undefined) return null;
  return {
    cert: resolve(folder, tls.cert),
    key: resolve(folder, tls.key),
    clientCa: tls.clientCa === undefined ? null : resolve(folder, tls.clientCa),
    reloadMs: tls.reload,
  };
}

function storeOf(store: WrittenConfig["store"], folder: string): StoreConfig {
  if (store === undefined) return { type: "sqlite" };
  const { urlFile } = store.postgres;
  return { type: "postgres", urlFile: urlFile === undefined ? null : resolve(folder, urlFile) };
}

function natsOf(nats: WrittenConfig["nats"], folder: string): NatsOptions | null {
  if (nats === undefined) return null;
  const { servers, credentials, ca } = nats;
  return {
    servers,
    credentialsFile: credentials === undefined ? null : resolve(folder, credentials),
    caFile: ca === undefined ? null : resolve(folder, ca),
  };
}

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
    cluster: {
      address: written.cluster.address ?? null,
      ca: written.cluster.ca === undefined ? null : resolve(folder, written.cluster.ca),
      leaseMs: written.cluster.lease,
    },
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
