import { readFile } from "node:fs/promises";
import { httpWitness } from "@fedloop/consent";
import { ChannelCredentials, ServerCredentials } from "@grpc/grpc-js";
import pino from "pino";
import { API_PREFIX } from "../admin/api-prefix.js";
import type { CanaryVerdict } from "../analytics/canary.js";
import { type Config, type ConfigEnvironment, loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { CoordinatorError } from "../errors.js";
import type { HttpTls } from "../http/http-server.js";
import type { WitnessPolicy } from "../ledger/publisher.js";
import type { RunningAggregator } from "../messaging/run-aggregator.js";
import { loadPlan } from "../plan/load.js";
import { allowedStatements, httpAttestation } from "../registry/attestation.js";
import type { EnrolmentPolicy } from "../registry/registry.js";
import type { RoundNotice } from "../rounds/engine.js";
import type { PausedNotice } from "../rounds/round-driver.js";
import { environmentCertificates, fileCertificates, ServerCertificates } from "../tls/server-certificates.js";
import { Coordinator } from "./coordinator.js";
import { tuneHeap } from "./heap.js";
import { loadClusterKey } from "./keys.js";
import { LoopDelay } from "./loop-delay.js";
import type { ServeRole } from "./roles.js";

export interface ServeOptions {
  /** Path of fedloop.yaml. */
  readonly config: string;
  readonly environment: ConfigEnvironment;
  /** One JSON object a line on standard output, for programs. */
  readonly json: boolean;
  /** End by itself when all populations have finished their rounds. */
  readonly exitWhenFinished: boolean;
  /** Whether this process coordinates, sums groups for those that do, or both; both unless given. */
  readonly role?: ServeRole | undefined;
  readonly signal: AbortSignal;
  /** Standard output. */
  readonly print: (text: string) => void;
}

/** What `fedloop serve --json` prints, a line each. */
export type ServeEvent =
  | {
      readonly event: "listening";
      readonly address: string;
      /** Base of the HTTP server, null without one. */
      readonly http: string | null;
      readonly origin: string;
      readonly verifierKey: string;
    }
  | ({
      readonly event: "round";
      readonly population: string;
      readonly timeMs: number;
      /** The longest that one call kept the event loop since the event before. */
      readonly loopDelayMs: number;
      /** Processor time that this process has used so far, all threads. */
      readonly processorMs: number;
    } & RoundNotice)
  | ({ readonly event: "paused"; readonly population: string } & PausedNotice)
  /** Answers have moved a canary, or have shown drift. */
  | { readonly event: "canary"; readonly population: string; readonly round: number; readonly verdict: CanaryVerdict }
  | { readonly event: "drift"; readonly population: string; readonly query: string; readonly turn: number | null }
  | { readonly event: "aggregating"; readonly name: string }
  | { readonly event: "finished"; readonly population: string; readonly why: string }
  | { readonly event: "stopped"; readonly peakServerMb: number };

/**
 * Runs a coordinator until the signal is aborted: restores what a former process left, serves, drives the rounds,
 * drains. Log lines go to standard error and hold no payloads.
 */
export async function runServe(options: ServeOptions): Promise<void> {
  tuneHeap();
  const config = await loadConfig(options.config, options.environment);
  const log = pino({ level: config.log.level, base: null }, pino.destination({ fd: 2, sync: true }));
  const tell = (event: ServeEvent): void => {
    if (options.json) options.print(`${JSON.stringify(event)}\n`);
  };
  const { role = "all" } = options;
  await using aggregator = await openAggregator(config, role, log);
  if (aggregator !== undefined) {
    log.info({ name: aggregator.name }, "aggregating");
    tell({ event: "aggregating", name: aggregator.name });
  }
  if (role === "aggregator") {
    await aborted(options.signal);
    log.info({ deadlineMs: config.drainDeadlineMs }, "draining");
    return aggregator?.drain(config.drainDeadlineMs);
  }
  const plans = await Promise.all(config.plans.map((path) => loadPlan(path)));
  const certificates = await openCertificates(config, options.environment, log);
  // Aborted where the process is to end with its rounds, and one of its populations is paused because they came to nothing.
  const stuck = new AbortController();
  using loop = new LoopDelay();
  const coordinator = await Coordinator.open({
    origin: config.origin,
    ...(await storagePlaces(config, options.environment)),
    plans,
    enrolment: enrolmentOf(config),
    credentials: certificates?.grpcCredentials() ?? ServerCredentials.createInsecure(),
    certificates,
    address: `${config.listen.host}:${config.listen.port}`,
    cluster: {
      address: config.cluster.address ?? undefined,
      credentials: await peerCredentials(config, certificates?.current ?? null),
      leaseMs: config.cluster.leaseMs,
    },
    nats: config.nats,
    tiles: config.tiles,
    witnesses: witnessesOf(config),
    auditors: config.auditors,
    heartbeatMs: config.heartbeatMs,
    http: config.http === null ? null : { ...config.http, tls: certificates?.current ?? null },
    clock: { now: () => Date.now() },
    concurrentUploads: config.limits.concurrentUploads,
    rates: config.limits,
    onFault: (where, cause) => log.error({ where, fault: describe(cause) }, "a call failed"),
    webhooks: config.webhooks,
    onAnswered: ({ requestId, method, route, status, seconds, tokenId }) => {
      const level = method === "POST" && route.startsWith(API_PREFIX) ? "info" : "debug";
      log[level]({ requestId, method, route, status, ms: Math.round(seconds * 1e4) / 10, tokenId }, "request");
    },
    onWatch: (notice) => {
      if (notice.type === "drift") {
        const { population, name, looks } = notice.report;
        const found = { population, query: name, turn: looks.at(-1)?.turn ?? null };
        log.warn(found, "drift");
        tell({ event: "drift", ...found });
      } else {
        const { population, round, verdict } = notice;
        log.warn({ population, round }, `canary: ${verdict}`);
        tell({ event: "canary", population, round, verdict });
      }
    },
    onPaused: (population, notice) => {
      const { reason, round, failures, lastReason } = notice;
      log.error({ population, reason, round, abandoned: failures, lastReason }, "paused");
      tell({ event: "paused", population, ...notice });
      if (options.exitWhenFinished) stuck.abort(stuckIn(population));
    },
    onNotice: (population, notice) => {
      log.info({ population, round: notice.round, state: notice.state, reason: notice.reason }, "round");
      const { user, system } = process.cpuUsage();
      const spent = { loopDelayMs: loop.takeLongestMs(), processorMs: Math.round((user + system) / 1_000) };
      tell({ event: "round", population, timeMs: Date.now(), ...spent, ...notice });
    },
  });
  try {
    if (options.exitWhenFinished) await requireRunning(coordinator);
    const address = `${config.listen.host}:${coordinator.port}`;
    const http = httpBase(config, certificates !== null, coordinator.httpPort);
    const where = { address, http, origin: config.origin, verifierKey: coordinator.verifierKey };
    log.info(where, "listening");
    tell({ event: "listening", ...where });
    if (config.tls !== null) certificates?.watch(config.tls.reloadMs, options.signal);
    const asked = AbortSignal.any([options.signal, coordinator.drainRequested]);
    // Rounds under way outlive the first signal: `drain` gives them time.
    await Promise.race([coordinator.run(new AbortController().signal), aborted(asked), aborted(stuck.signal)]);
    for (const population of coordinator.populations.all()) {
      if (population.finished === undefined) continue;
      log.info({ population: population.name, why: population.finished }, "finished");
      tell({ event: "finished", population: population.name, why: population.finished });
    }
    if (!options.exitWhenFinished) await aborted(asked);
    else if (!stuck.signal.aborted) await sayFarewell(coordinator, config.drainDeadlineMs, log, asked);
    if (asked.aborted || stuck.signal.aborted) {
      log.info({ deadlineMs: config.drainDeadlineMs }, "draining");
      await Promise.all([coordinator.drain(config.drainDeadlineMs), aggregator?.drain(config.drainDeadlineMs)]);
    }
    if (!asked.aborted) stuck.signal.throwIfAborted();
  } finally {
    await coordinator.close();
    const peakServerMb = Math.round(process.resourceUsage().maxRSS / 102.4) / 10;
    log.info({ peakServerMb }, "stopped");
    tell({ event: "stopped", peakServerMb });
  }
}

/** Goes on answering until all devices that have called know that there are no more rounds, for a while. */
async function sayFarewell(
  { populations }: Coordinator,
  graceMs: number,
  log: pino.Logger,
  signal: AbortSignal,
): Promise<void> {
  for (const { name, farewell } of populations.all()) {
    if (farewell.untold > 0) log.info({ population: name, devices: farewell.untold, graceMs }, "telling devices");
  }
  await Promise.all([...populations.all()].map(({ farewell }) => farewell.untilAllTold(graceMs, signal)));
}

/** A process that is to end with its rounds never would while one of its populations is stuck. */
async function requireRunning({ populations }: Coordinator): Promise<void> {
  for (const population of populations.all()) {
    await population.readPause();
    if (population.pause?.reason === "rounds-abandoned") throw stuckIn(population.name);
  }
}

function stuckIn(population: string): CoordinatorError {
  return new CoordinatorError(
    "ROUND_FAILED",
    `expected rounds of ${population} to close, too many in a row were abandoned, and it is paused; find the reason ` +
      `in the log or by \`fedloop status\`, then \`fedloop populations resume ${population}\` and start again`,
  );
}

/** The part of an aggregator, where it is this process's; undefined where it is not, or there is nobody to sum for. */
async function openAggregator(
  { nats, origin, keysDir }: Config,
  role: ServeRole,
  log: pino.Logger,
): Promise<RunningAggregator | undefined> {
  if (role === "aggregator" && nats === null) {
    throw new CoordinatorError(
      "BAD_CONFIG",
      "nats: expected the servers from which an aggregator gets its work, came nothing; add nats with servers",
    );
  }
  if (role === "coordinator" || nats === null) return undefined;
  const secret = await loadClusterKey(keysDir);
  const onFault = (where: string, cause: unknown): void =>
    log.error({ where, fault: describe(cause) }, "a group failed");
  const { startAggregator } = await import("../messaging/run-aggregator.js");
  return startAggregator({ nats, origin, secret, onFault });
}

/** A fault for the log: where it came from and its message, never what a device sent. */
function describe(cause: unknown): { readonly code: string; readonly message: string; readonly at: string } {
  if (!(cause instanceof Error)) return { code: "INTERNAL", message: String(cause), at: "" };
  const code = cause instanceof CoordinatorError ? cause.code : cause.name;
  return { code, message: cause.message, at: cause.stack?.split("\n")[1]?.trim() ?? "" };
}

/** What gRPC and HTTP both present; null on loopback without certificates. */
async function openCertificates(
  { tls }: Config,
  environment: ConfigEnvironment,
  log: pino.Logger,
): Promise<ServerCertificates | null> {
  const source = environmentCertificates(environment) ?? (tls === null ? undefined : fileCertificates(tls));
  if (source === undefined) return null;
  return ServerCertificates.open({
    source,
    clock: { now: () => Date.now() },
    onFault: (where, cause) => log.error({ where, fault: describe(cause) }, "the renewed certificates are not used"),
    onRenewed: (expiresMs) => log.info({ ends: new Date(expiresMs).toISOString() }, "renewed certificates are in use"),
  });
}

/** How other coordinators are spoken to: they have certificates where this one has, and may ask for this one's. */
async function peerCredentials({ cluster }: Config, tls: HttpTls | null): Promise<ChannelCredentials> {
  if (tls === null) return ChannelCredentials.createInsecure();
  try {
    const ca = cluster.ca === null ? null : await readFile(cluster.ca);
    return ChannelCredentials.createSsl(ca, Buffer.from(tls.key), Buffer.from(tls.cert));
  } catch (cause) {
    throw new CoordinatorError("FILE_UNREADABLE", "expected the certificate that cluster.ca names; check the path", {
      cause,
    });
  }
}

function enrolmentOf({ enrolment }: Config): EnrolmentPolicy {
  if (enrolment.type !== "attestation") return enrolment;
  const { by } = enrolment;
  const check = by.type === "http" ? httpAttestation({ ...by, fetch }) : allowedStatements(by.hashes);
  return { type: "attestation", check };
}

function witnessesOf({ witnesses }: Config): WitnessPolicy | null {
  if (witnesses === null) return null;
  const { quorum, members } = witnesses;
  return { quorum, witnesses: members.map(({ key, url }) => httpWitness(key, url, fetch)) };
}

function httpBase({ http }: Config, isSecure: boolean, port: number | null): string | null {
  if (http === null || port === null) return null;
  const host = http.host.includes(":") ? `[${http.host}]` : http.host;
  return `${isSecure ? "https" : "http"}://${host}:${port}`;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
