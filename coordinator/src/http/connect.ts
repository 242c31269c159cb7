import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import {
  ConnectError,
  type ConnectRouter,
  type ContextKey,
  cors as connectCors,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { encodeEnvelope, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamToJson, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import cors from "@fastify/cors";
import { ErrorDetailSchema, MAX_MESSAGE_BYTES, METADATA, methodPath } from "@fedloop/proto";
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { CrowdSignal } from "../rounds/crowd-signal.js";
import {
  type CallContext,
  type CallOptions,
  goingDown,
  leaderOf,
  type ServiceHandlers,
  type ServiceHost,
  signedBy,
} from "../rpc/service.js";
import { isTold, toldError } from "../rpc/status.js";
import { httpFailure } from "./http-status.js";

export interface ConnectHostOptions extends CallOptions {
  /**
   * The origins whose pages may call, such as "https://app.example.org", compared letter by letter. None by default:
   * pages of other origins than the coordinator's own are then kept out by browsers.
   */
  readonly corsOrigins: readonly string[];
}

type AnyHandler = (request: Message, context: CallContext) => unknown;
type Register = (router: ConnectRouter) => unknown;

/** The bytes of the request message as they came. */
const receivedKey: ContextKey<Uint8Array> = createContextKey(new Uint8Array(0), { description: "received message" });

/** The address that a call came from. */
const callerKey: ContextKey<string> = createContextKey("", { description: "caller" });

/** Flags and length before each message of a stream (Connect protocol, "Enveloped-Message"). */
const ENVELOPE_BYTES = 5;
const STREAM_TYPE = "application/connect+proto";
const UNARY_TYPE = "application/proto";
/** For how long a browser need not ask again whether it may call. */
const PREFLIGHT_SECONDS = 7_200;

/** The coordinator's own header fields of a call. */
const SIGNATURE_HEADERS = [METADATA.device, METADATA.session, METADATA.nonce, METADATA.time, METADATA.signature];

/**
 * The Connect face of the services, for browsers: the same handlers, signatures and errors as over gRPC.
 *
 * The plugin of connect-fastify would do, but for one thing: it parses a message from the socket, and what a device signs is
 * the message's bytes. So Fastify reads the body, bounded, and Connect's router gets it from there.
 */
export class ConnectHost implements ServiceHost {
  readonly #options: ConnectHostOptions;
  readonly #services: { readonly service: DescService; readonly register: Register }[] = [];
  readonly #draining = new AbortController();
  readonly #streams = new CrowdSignal(this.#draining.signal);

  constructor(options: ConnectHostOptions) {
    this.#options = options;
  }

  add<Service extends DescService, const Open extends keyof Service["method"] & string = never>(
    service: Service,
    open: readonly Open[],
    handlers: ServiceHandlers<Service, Open>,
  ): void {
    const openNames: ReadonlySet<string> = new Set(open);
    const calls = Object.fromEntries(
      service.methods.map((method) => {
        const handler = (handlers as Record<string, unknown>)[method.localName] as AnyHandler;
        const isSigned = !openNames.has(method.localName);
        const isUnary = method.methodKind === "unary";
        const call = isUnary ? this.#unary(method, handler, isSigned) : this.#stream(method, handler, isSigned);
        return [method.localName, call];
      }),
    );
    const register: Register = (router) => router.service(service, calls as unknown as Partial<ServiceImpl<Service>>);
    this.#services.push({ service, register });
  }

  /** The routes, as a group of their own for the HTTP server. */
  get routes(): FastifyPluginAsync {
    return async (app) => {
      app.addHook("preClose", async () => this.#draining.abort(goingDown()));
      for (const { service, register } of this.#services) {
        await app.register((scope) => this.#serve(scope, register), { prefix: `/${service.typeName}` });
      }
    };
  }

  async #serve(app: FastifyInstance, register: Register): Promise<void> {
    const { corsOrigins } = this.#options;
    await app.register(cors, {
      origin: [...corsOrigins],
      methods: ["POST"],
      allowedHeaders: [...connectCors.allowedHeaders, ...SIGNATURE_HEADERS],
      exposedHeaders: [...connectCors.exposedHeaders],
      credentials: false,
      maxAge: PREFLIGHT_SECONDS,
    });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser([UNARY_TYPE, STREAM_TYPE], { parseAs: "buffer" }, (_request, body, done) =>
      done(null, body),
    );
    // Before the body is read, but after the headers are set without which a browser's page may not read the answer.
    app.addHook("preParsing", async (request) => this.#options.limits?.admitAddress(request.ip));
    app.setErrorHandler((cause, request, reply) => this.#refuse(cause, request, reply));
    // Nothing compressed: what is signed is what is sent, and updates do not compress.
    // Without a bound it sets aside what a stream's envelope promises: 4 GiB for five bytes.
    const bounds = { readMaxBytes: MAX_MESSAGE_BYTES };
    const router = createConnectRouter({ grpc: false, grpcWeb: false, acceptCompression: [], ...bounds });
    register(router);
    for (const handle of router.handlers) {
      const path = handle.requestPath.slice(app.prefix.length);
      const options = { bodyLimit: MAX_MESSAGE_BYTES + ENVELOPE_BYTES, config: { admitsItself: true } };
      app.post(path, options, async (request, reply) => {
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const received = handle.method.methodKind === "unary" ? body : body.subarray(ENVELOPE_BYTES);
        const values = createContextValues().set(receivedKey, received).set(callerKey, request.ip);
        const call = universalRequestFromNodeRequest(request.raw, reply.raw, undefined, values);
        reply.hijack();
        await send(handle({ ...call, body: once(body) }), reply, () => this.#draining.signal.aborted);
      });
    }
  }

  /** Tells of a call that was not let in as Connect's clients read it; of what is no call at all, as HTTP does. */
  #refuse(cause: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (!isTold(cause)) throw cause;
    const failure = this.#failure("", cause);
    const { status, retryAfterSeconds } = httpFailure(cause);
    if (retryAfterSeconds > 0) reply.header("retry-after", retryAfterSeconds);
    if (request.headers["content-type"] !== STREAM_TYPE) {
      return reply
        .status(status)
        .type("application/json")
        .send(Buffer.from(errorToJsonBytes(failure, {})));
    }
    const end = JSON.stringify(endStreamToJson(new Headers(), failure, {}));
    return reply
      .status(200)
      .type(STREAM_TYPE)
      .send(Buffer.from(encodeEnvelope(endStreamFlag, Buffer.from(end))));
  }

  #unary(method: DescMethod, handler: AnyHandler, isSigned: boolean) {
    return async (request: Message, connect: HandlerContext) => {
      try {
        const header = headerOf(connect);
        const { forwarder, admission } = this.#options;
        const leader = await leaderOf({ forwarder, admission }, method, "", header, isSigned);
        if (leader !== undefined) {
          return await leader.unary(method, header, connect.values.get(receivedKey), this.#draining.signal);
        }
        const context = await this.#context(method, connect, this.#draining.signal, isSigned);
        return (await handler(request, context)) as Message;
      } catch (cause) {
        throw this.#failure(methodPath(method), cause);
      }
    };
  }

  #stream(method: DescMethod, handler: AnyHandler, isSigned: boolean) {
    const draining = this.#draining.signal;
    return async function* (this: ConnectHost, request: Message, connect: HandlerContext): AsyncGenerator<Message> {
      const { signal, leave } = this.#streams.join(connect.signal);
      try {
        const header = headerOf(connect);
        const { forwarder, admission } = this.#options;
        const leader = await leaderOf({ forwarder, admission }, method, "", header, isSigned);
        const items =
          leader === undefined
            ? handler(request, await this.#context(method, connect, signal, isSigned))
            : leader.stream(method, header, connect.values.get(receivedKey), signal);
        for await (const item of items as AsyncIterable<Message>) {
          yield item;
          // A server that drains still says the last thing it has to say.
          if (connect.signal.aborted || draining.aborted) return;
        }
      } catch (cause) {
        throw this.#failure(methodPath(method), cause);
      } finally {
        leave();
      }
    }.bind(this);
  }

  async #context(
    method: DescMethod,
    connect: HandlerContext,
    signal: AbortSignal,
    isSigned: boolean,
  ): Promise<CallContext> {
    if (!isSigned) return { signal };
    const received = connect.values.get(receivedKey);
    const caller = connect.values.get(callerKey);
    const device = await signedBy(this.#options, caller, method, headerOf(connect), received);
    return { signal, device } as CallContext;
  }

  #failure(where: string, cause: unknown): ConnectError {
    if (!isTold(cause)) this.#options.onFault(where, cause);
    const { status, detail } = toldError(cause, this.#options.clock.now());
    const details = [{ desc: ErrorDetailSchema, value: detail }];
    return new ConnectError(`${detail.code}: ${detail.message}`, status as number, undefined, details);
  }
}

function headerOf({ requestHeader }: HandlerContext): (name: string) => string | undefined {
  return (name) => requestHeader.get(name) ?? undefined;
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}

/**
 * Sends what Connect answers, under the headers that Fastify's hooks have set. connect-node has a function for this, which
 * waits for ever when a caller goes away in the middle of an answer.
 */
async function send(
  answered: Promise<UniversalServerResponse>,
  reply: FastifyReply,
  isLast: () => boolean,
): Promise<void> {
  const { raw } = reply;
  try {
    const { status, header, body } = await answered;
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value);
    }
    if (isLast()) raw.setHeader("connection", "close");
    raw.writeHead(status, Object.fromEntries(header ?? []));
    raw.flushHeaders();
    for await (const message of body ?? []) {
      if (!raw.write(message)) await drained(raw);
      if (raw.destroyed) break;
    }
    raw.end();
  } catch {
    // Connect turns all errors into answers: here the caller is gone, and nobody is left to be told.
    raw.destroy();
  }
}

/** Resolves when more can be written, or nobody reads any more. */
function drained(raw: FastifyReply["raw"]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      raw.off("drain", done);
      raw.off("close", done);
      resolve();
    };
    raw.once("drain", done);
    raw.once("close", done);
  });
}
