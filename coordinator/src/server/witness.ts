import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cosigner, isSignerName, LedgerError, parseVkey, Witness } from "@fedloop/consent";
import { fileWitnessStore, nodeVerifier } from "@fedloop/consent/node";
import pino from "pino";
import type { Listen } from "../config/listen.js";
import { isLoopback } from "../config/loopback.js";
import { CoordinatorError } from "../errors.js";
import { HttpServer } from "../http/http-server.js";
import { witnessRoutes } from "../http/witness.js";
import { lockStore } from "../store/sqlite-lock.js";
import { fileCertificates, ServerCertificates } from "../tls/server-certificates.js";
import { loadSigner } from "./keys.js";

/** How often the certificate's files are looked at for a renewal. */
const RELOAD_MS = 60_000;

export interface WitnessServerOptions {
  /** The witness's own name, which its cosignatures carry. */
  readonly name: string;
  /** Folder of its key and of what it has cosigned. */
  readonly dataDir: string;
  readonly listen: Listen;
  /** Verifier keys of the logs that it watches. */
  readonly logs: readonly string[];
  /** PEM files; needed off loopback. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly clock: { now(): number };
  readonly onFault: (where: string, cause: unknown) => void;
  /** Told of the file that holds the proof of a fork. */
  readonly onFork: (log: string, path: string) => void;
}

/** A witness of other people's logs, listening. */
export class WitnessServer {
  readonly vkey: string;
  readonly port: number;
  readonly #http: HttpServer;
  readonly #release: () => void;

  private constructor(vkey: string, http: HttpServer, release: () => void) {
    this.vkey = vkey;
    this.port = http.port;
    this.#http = http;
    this.#release = release;
  }

  /**
   * Opens the folder, makes the witness's key on first use, and listens.
   *
   * @throws CoordinatorError BAD_CONFIG for a name or a verifier key that is none, FILE_UNREADABLE, STORE_LOCKED when
   * another witness has the folder, ADDRESS_IN_USE
   */
  static async open(options: WitnessServerOptions): Promise<WitnessServer> {
    const { name, dataDir, listen, logs, clock, onFault, onFork } = options;
    check(options);
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const lock = lockStore(join(dataDir, "witness"));
    try {
      const signer = cosigner(name, await loadSigner(join(dataDir, "witness.key")), () =>
        Math.floor(clock.now() / 1_000),
      );
      const witness = new Witness({
        signer,
        logs,
        store: fileWitnessStore(join(dataDir, "heads")),
        verifier: nodeVerifier(),
        onFork: (log, evidence) => {
          keepEvidence(dataDir, evidence).then(
            (path) => onFork(log, path),
            (cause) => onFault("fork evidence", cause),
          );
        },
      });
      const source = options.tls === null ? null : fileCertificates({ ...options.tls, clientCa: null });
      const certificates = source === null ? null : await ServerCertificates.open({ source, clock, onFault });
      const tls = certificates?.current ?? null;
      const http = await HttpServer.open({ ...listen, tls, routes: [witnessRoutes(witness)], onFault });
      const closing = new AbortController();
      certificates?.onRenewal((renewed) => http.renew(renewed));
      certificates?.watch(RELOAD_MS, closing.signal);
      return new WitnessServer(signer.vkey, http, () => {
        closing.abort();
        lock.release();
      });
    } catch (cause) {
      lock.release();
      throw cause;
    }
  }

  async close(): Promise<void> {
    await this.#http.close();
    this.#release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function check({ name, logs, listen, tls }: WitnessServerOptions): void {
  if (!isSignerName(name))
    throw new CoordinatorError("BAD_CONFIG", `expected a name without spaces and +, came "${name.slice(0, 80)}"`);
  if (tls === null && !isLoopback(listen.host)) {
    throw new CoordinatorError(
      "BAD_CONFIG",
      `expected a loopback address, or a certificate and its key, came ${listen.host} without them`,
    );
  }
  for (const log of logs) {
    try {
      if (parseVkey(log).algorithm === "ed25519") continue;
    } catch (cause) {
      if (!(cause instanceof LedgerError)) throw cause;
    }
    throw new CoordinatorError("BAD_CONFIG", `expected the verifier key of a log, came "${log.slice(0, 80)}"`);
  }
}

/** Each proof of a fork is a file of its own, under its hash: the same one again is kept once. */
async function keepEvidence(dataDir: string, evidence: string): Promise<string> {
  const folder = join(dataDir, "forks");
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${createHash("sha256").update(evidence).digest("hex").slice(0, 32)}.json`);
  await writeFile(path, evidence, { flush: true });
  return path;
}

export interface RunWitnessOptions extends Pick<WitnessServerOptions, "name" | "dataDir" | "listen" | "logs" | "tls"> {
  readonly json: boolean;
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

/** Runs a witness until the signal is aborted. Log lines go to standard error. */
export async function runWitness({ json, signal, print, ...options }: RunWitnessOptions): Promise<void> {
  const log = pino({ base: null }, pino.destination({ fd: 2, sync: true }));
  const server = await WitnessServer.open({
    ...options,
    clock: { now: () => Date.now() },
    onFault: (where, cause) => log.error({ where, message: String(cause) }, "a call failed"),
    onFork: (origin, evidence) => log.error({ origin, evidence }, "this log has forked"),
  });
  const host = options.listen.host.includes(":") ? `[${options.listen.host}]` : options.listen.host;
  const url = `${options.tls === null ? "http" : "https"}://${host}:${server.port}`;
  print(
    json
      ? `${JSON.stringify({ event: "listening", url, verifierKey: server.vkey })}\n`
      : `Cosigning at ${url} as\n${server.vkey}\n`,
  );
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  await server.close();
}
