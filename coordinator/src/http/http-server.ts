import { randomUUID } from "node:crypto";
import { createServer as createPlainServer, type Server } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { SecureVersion } from "node:tls";
import helmet from "@fastify/helmet";
import Fastify, { type FastifyInstance, type FastifyPluginAsync } from "fastify";
import "../access/require-role.js";
import { CoordinatorError } from "../errors.js";
import type { CallLimiter } from "../limits/call-limits.js";
import type { AnsweredRequest } from "../metrics/metrics.js";
import { httpFailure } from "./http-status.js";

/** Certificates in PEM. */
export interface HttpTls {
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  /** When given, callers must show a certificate that this authority signed. */
  readonly clientCa: Uint8Array | null;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether the route's own group asks the limits, since its answers need headers that are set later. */
    readonly admitsItself?: boolean;
  }
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Null for plain HTTP. */
  readonly tls: HttpTls | null;
  /**
   * One Fastify plugin for each group of routes, in a scope of its own: hooks, parsers and body limits that it sets stay
   * in it. A group with open streams ends them in a `preClose` hook.
   */
  readonly routes: readonly FastifyPluginAsync[];
  /** How much an address may ask; as much as it likes unless given. */
  readonly limits?: CallLimiter | undefined;
  /** Told of every fault that a caller only sees as INTERNAL. */
  readonly onFault: (route: string, cause: unknown) => void;
  /** Told of every answered request, by its route. */
  readonly onAnswered?: (request: AnsweredRequest) => void;
}

/** A request body is no larger unless its route says so. */
const BODY_BYTES = 64 * 1024;
const HEADER_BYTES = 16 * 1024;
const PATH_PARAMETER_CHARACTERS = 256;
/** For headers and body of one request together; answers may take as long as they do. */
const REQUEST_MS = 60_000;
const HEADERS_MS = 10_000;
const IDLE_MS = 70_000;
const MIN_TLS: SecureVersion = "TLSv1.2";

/** The coordinator's HTTP face. It knows limits, headers and errors; what is served is in the route groups. */
export class HttpServer {
  readonly host: string;
  readonly port: number;
  readonly #app: FastifyInstance;

  private constructor(app: FastifyInstance, host: string, port: number) {
    this.#app = app;
    this.host = host;
    this.port = port;
  }

  /** Listens. @throws CoordinatorError ADDRESS_IN_USE, FILE_UNREADABLE for certificates that are none */
  static async open(options: HttpServerOptions): Promise<HttpServer> {
    const { host, port, tls } = options;
    const app = Fastify({
      bodyLimit: BODY_BYTES,
      routerOptions: { maxParamLength: PATH_PARAMETER_CHARACTERS, ignoreTrailingSlash: false },
      // What callers ask for is not the log's business; faults go to onFault.
      logger: false,
      genReqId: () => randomUUID(),
      // Fastify refuses with 503 while it closes; connections that only idle are closed at once.
      forceCloseConnections: "idle",
      serverFactory: (handler) => boundServer(tls, handler),
    });
    await app.register(helmet, {
      // Data and pages for programs by default: a group that serves pages says what these may load.
      contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
      strictTransportSecurity: tls === null ? false : { maxAge: 31_536_000, includeSubDomains: false },
      referrerPolicy: { policy: "no-referrer" },
      xFrameOptions: { action: "deny" },
    });
    app.addHook("onResponse", async (request, reply) => {
      options.onAnswered?.({
        requestId: request.id,
        method: request.method,
        route: request.routeOptions.url ?? "none",
        status: reply.statusCode,
        seconds: reply.elapsedTime / 1_000,
        tokenId: request.access?.tokenId,
      });
    });
    app.setNotFoundHandler((_request, reply) => {
      const message = "expected a path that is served here, came another";
      return reply
        .status(404)
        .header("cache-control", "no-store")
        .send({ error: { code: "NOT_FOUND", message } });
    });
    app.addHook("onRequest", async ({ ip, routeOptions }) => {
      if (routeOptions.config.admitsItself !== true) options.limits?.admitAddress(ip);
    });
    app.setErrorHandler((cause, request, reply) => {
      if (cause instanceof CoordinatorError && cause.code === "UNAUTHENTICATED")
        options.limits?.chargeForLie(request.ip);
      const { status, told, code, message, retryAfterSeconds } = httpFailure(cause);
      if (!told) options.onFault(request.routeOptions.url ?? "", cause);
      if (retryAfterSeconds > 0) reply.header("retry-after", retryAfterSeconds);
      return reply.status(status).header("cache-control", "no-store").send({ error: { code, message } });
    });
    for (const plugin of options.routes) await app.register(plugin);
    try {
      await app.listen({ host, port });
    } catch (cause) {
      await app.close();
      throw new CoordinatorError(
        "ADDRESS_IN_USE",
        `expected ${host}:${port} to be free to serve HTTP on; stop what uses it, or choose another`,
        { cause },
      );
    }
    const address = app.server.address();
    if (address === null || typeof address === "string") {
      await app.close();
      throw new CoordinatorError("INTERNAL", `expected a port of ${host} to serve HTTP on, came none`);
    }
    return new HttpServer(app, host, address.port);
  }

  /** Uses other certificates for the connections made from now on. */
  renew({ cert, key, clientCa }: HttpTls): void {
    const server: unknown = this.#app.server;
    if (!(server instanceof TlsServer)) return;
    const ca = clientCa === null ? {} : { ca: Buffer.from(clientCa) };
    server.setSecureContext({ cert: Buffer.from(cert), key: Buffer.from(key), minVersion: MIN_TLS, ...ca });
  }

  /** Ends streams, lets running requests finish for up to `graceMs`, then closes. */
  async close(graceMs = 2_000): Promise<void> {
    const force = setTimeout(() => this.#app.server.closeAllConnections(), graceMs);
    try {
      await this.#app.close();
    } finally {
      clearTimeout(force);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

type RequestHandler = NonNullable<Parameters<typeof createPlainServer>[1]>;

function boundServer(tls: HttpTls | null, handler: RequestHandler): Server {
  const bounds = { maxHeaderSize: HEADER_BYTES, requestTimeout: REQUEST_MS, headersTimeout: HEADERS_MS };
  const server = tls === null ? createPlainServer(bounds, handler) : tlsServer(tls, bounds, handler);
  server.keepAliveTimeout = IDLE_MS;
  return server;
}

function tlsServer({ cert, key, clientCa }: HttpTls, bounds: object, handler: RequestHandler): Server {
  const client = clientCa === null ? {} : { ca: Buffer.from(clientCa), requestCert: true, rejectUnauthorized: true };
  const files = { cert: Buffer.from(cert), key: Buffer.from(key), minVersion: MIN_TLS };
  try {
    return createTlsServer({ ...bounds, ...files, ...client }, handler);
  } catch (cause) {
    throw new CoordinatorError("FILE_UNREADABLE", "expected tls.cert and tls.key to hold PEM of one pair", { cause });
  }
}
