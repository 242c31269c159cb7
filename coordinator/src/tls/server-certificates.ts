import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { experimental, type ServerCredentials } from "@grpc/grpc-js";
import type { ConfigEnvironment } from "../config/config.js";
import type { TlsFiles } from "../config/tls.js";
import { CoordinatorError } from "../errors.js";
import type { HttpTls } from "../http/http-server.js";

/** Where certificates come from; read again whenever they may have been renewed. */
export type CertificateSource = () => Promise<HttpTls>;

export interface ServerCertificatesOptions {
  readonly source: CertificateSource;
  readonly clock: { now(): number };
  /** Told of a renewal that cannot be used: the certificates before stay. */
  readonly onFault: (where: string, cause: unknown) => void;
  /** Told of each renewal that is in use. */
  readonly onRenewed?: (expiresMs: number) => void;
}

type Listener = (tls: HttpTls) => void;

/**
 * The certificates that gRPC and HTTP both present. A renewal is used for connections made from then on; those that are
 * open go on as they were.
 */
export class ServerCertificates {
  readonly #options: ServerCertificatesOptions;
  readonly #listeners = new Set<Listener>();
  #current: HttpTls;
  /** What was read last, whether it could be used or not: a broken renewal is told once, not at each look. */
  #lastRead: string;
  #looking: Promise<boolean> | undefined;

  private constructor(options: ServerCertificatesOptions, current: HttpTls) {
    this.#options = options;
    this.#current = current;
    this.#lastRead = digest(current);
  }

  /** @throws CoordinatorError FILE_UNREADABLE for files that are not there, or do not belong together, or have expired */
  static async open(options: ServerCertificatesOptions): Promise<ServerCertificates> {
    const tls = await options.source();
    check(tls, options.clock.now());
    return new ServerCertificates(options, tls);
  }

  get current(): HttpTls {
    return this.#current;
  }

  /** Calls the listener with each renewal. @returns how to stop */
  onRenewal(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks for a renewal. Never throws: what cannot be used is told as a fault. @returns whether there was one */
  reload(): Promise<boolean> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Looks for renewals every so many milliseconds until the signal is aborted. */
  watch(everyMs: number, signal: AbortSignal): void {
    if (signal.aborted) return;
    const timer = setInterval(() => void this.reload(), everyMs);
    timer.unref();
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  /** What gRPC serves under. */
  grpcCredentials(): ServerCredentials {
    const identities = new Map<unknown, Listener>();
    const authorities = new Map<unknown, Listener>();
    const add = (listeners: Map<unknown, Listener>, key: unknown, tell: Listener): void => {
      listeners.set(key, tell);
      this.#listeners.add(tell);
      // grpc-js begins to watch only after it has added its listener.
      queueMicrotask(() => tell(this.#current));
    };
    const remove = (listeners: Map<unknown, Listener>, key: unknown): void => {
      const tell = listeners.get(key);
      if (tell !== undefined) this.#listeners.delete(tell);
      listeners.delete(key);
    };
    const provider = {
      addIdentityCertificateListener: (listener: experimental.IdentityCertificateUpdateListener) =>
        add(identities, listener, ({ cert, key }) =>
          listener({ certificate: Buffer.from(cert), privateKey: Buffer.from(key) }),
        ),
      removeIdentityCertificateListener: (listener: unknown) => remove(identities, listener),
      addCaCertificateListener: (listener: experimental.CaCertificateUpdateListener) =>
        add(authorities, listener, ({ clientCa }) =>
          listener(clientCa === null ? null : { caCertificate: Buffer.from(clientCa) }),
        ),
      removeCaCertificateListener: (listener: unknown) => remove(authorities, listener),
    };
    const isMutual = this.#current.clientCa !== null;
    // The types name the parameters in the other order than they are used in: first the identity, then the authorities.
    return experimental.createCertificateProviderServerCredentials(provider, isMutual ? provider : null, isMutual);
  }

  async #look(): Promise<boolean> {
    const { source, clock, onFault, onRenewed } = this.#options;
    let seen = "";
    try {
      const tls = await source();
      seen = digest(tls);
      if (seen === this.#lastRead) return false;
      const expiresMs = check(tls, clock.now());
      if ((tls.clientCa === null) !== (this.#current.clientCa === null)) {
        throw refused("the same choice about tls.clientCa as at the start", "another; restart to change it");
      }
      this.#current = tls;
      this.#lastRead = seen;
      for (const listener of this.#listeners) listener(tls);
      onRenewed?.(expiresMs);
      return true;
    } catch (cause) {
      const unlikeLast = seen === "" ? cause instanceof Error && cause.message : seen;
      if (unlikeLast !== this.#lastRead) {
        onFault("tls renewal", kept(cause, new X509Certificate(this.#current.cert).validTo));
      }
      this.#lastRead = String(unlikeLast);
      return false;
    }
  }
}

/** Whether gRPC and HTTP can serve under these. @returns when they expire */
function check({ cert, key, clientCa }: HttpTls, now: number): number {
  const certificate = parsed("a certificate in PEM as tls.cert", () => new X509Certificate(cert));
  const privateKey = parsed("a private key in PEM, without a passphrase, as tls.key", () =>
    createPrivateKey(Buffer.from(key)),
  );
  if (!certificate.checkPrivateKey(privateKey)) {
    throw refused("tls.cert and tls.key to be of one pair", "a key of another certificate");
  }
  const expiresMs = Date.parse(certificate.validTo);
  if (expiresMs <= now) throw refused("a certificate in force as tls.cert", `one that ended on ${certificate.validTo}`);
  if (clientCa !== null) parsed("certificates in PEM as tls.clientCa", () => new X509Certificate(clientCa));
  parsed("certificates that can be served", () =>
    createSecureContext({
      cert: Buffer.from(cert),
      key: Buffer.from(key),
      ...(clientCa === null ? {} : { ca: Buffer.from(clientCa) }),
    }),
  );
  return expiresMs;
}

function parsed<T>(expected: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    // The cause is not passed on: it could quote what it could not read, and that may be a key.
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "something else";
    throw refused(expected, reason);
  }
}

function refused(expected: string, came: string): CoordinatorError {
  return new CoordinatorError("FILE_UNREADABLE", `expected ${expected}, came ${came}`);
}

function kept(cause: unknown, validTo: string): CoordinatorError {
  const reason = cause instanceof CoordinatorError ? cause.message : String(cause);
  return new CoordinatorError(
    "FILE_UNREADABLE",
    `${reason}; the certificates before stay in use, they end on ${validTo}: put the renewed ones right`,
  );
}

function digest({ cert, key, clientCa }: HttpTls): string {
  const hash = createHash("sha256");
  for (const part of [cert, key, clientCa ?? new Uint8Array()]) hash.update(`${part.length}:`).update(part);
  return hash.digest("hex");
}

/** Certificates in files. @throws CoordinatorError FILE_UNREADABLE */
export function fileCertificates({ cert, key, clientCa }: Omit<TlsFiles, "reloadMs">): CertificateSource {
  return async () => {
    try {
      const [certBytes, keyBytes, clientCaBytes] = await Promise.all([
        readFile(cert),
        readFile(key),
        clientCa === null ? null : readFile(clientCa),
      ]);
      return { cert: certBytes, key: keyBytes, clientCa: clientCaBytes };
    } catch (cause) {
      const path = typeof cause === "object" && cause !== null && "path" in cause ? ` at ${cause.path}` : "";
      throw new CoordinatorError(
        "FILE_UNREADABLE",
        `expected the certificate and key that tls names, came nothing that can be read${path}; check the paths and permissions`,
        { cause },
      );
    }
  };
}

/**
 * Certificates as PEM in `FEDLOOP_TLS_CERT`, `FEDLOOP_TLS_KEY` and, where callers must show one, `FEDLOOP_TLS_CLIENT_CA`:
 * for platforms that hand secrets to a process that way. Undefined where neither of the first two is set.
 *
 * @throws CoordinatorError BAD_CONFIG for one of the two alone
 */
export function environmentCertificates(environment: ConfigEnvironment): CertificateSource | undefined {
  const { FEDLOOP_TLS_CERT: cert, FEDLOOP_TLS_KEY: key, FEDLOOP_TLS_CLIENT_CA: clientCa } = environment;
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new CoordinatorError(
      "BAD_CONFIG",
      `expected FEDLOOP_TLS_CERT and FEDLOOP_TLS_KEY together, came only ${cert === undefined ? "the key" : "the certificate"}`,
    );
  }
  const tls = {
    cert: Buffer.from(cert),
    key: Buffer.from(key),
    clientCa: clientCa === undefined ? null : Buffer.from(clientCa),
  };
  return () => Promise.resolve(tls);
}
