import { create, type DescMethod, type DescService, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { MAX_MESSAGE_BYTES, methodPath } from "@fedloop/proto";
import { receivedBytes, serviceDefinition } from "@fedloop/proto/grpc";
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  Server,
  type ServerCredentials,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { CoordinatorError } from "../errors.js";
import { CrowdSignal } from "../rounds/crowd-signal.js";
import { Connections } from "./connections.js";
import { widenConnectionWindows, widenStreamWindows } from "./flow-control.js";
import { sendWithoutCopies } from "./framed-messages.js";
import {
  type CallContext,
  type CallOptions,
  goingDown,
  leaderOf,
  type ServiceHandlers,
  type ServiceHost,
  signedBy,
} from "./service.js";
import { isTold, toServiceError } from "./status.js";

type AnyHandler = (request: Message, context: CallContext) => unknown;

/** Why a stream ends whose caller went away: made once, since it is nobody's to read. */
const GONE = new CoordinatorError("CANCELLED", "the caller went away");

/** The gRPC face of the services: authentication, limits, errors; the handlers know nothing of it. */
export class GrpcServer implements ServiceHost {
  readonly #options: CallOptions;
  readonly server: Server;
  readonly #draining = new AbortController();
  readonly #streams = new CrowdSignal(this.#draining.signal);
  readonly #connections = new Connections();

  constructor(options: CallOptions) {
    this.#options = options;
    this.server = new Server({
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_concurrent_streams": 100_000,
      // Counts each call and connection for a service that is not served.
      "grpc.enable_channelz": 0,
      // A phone that went to sleep does not keep a connection's memory for ever.
      "grpc.keepalive_time_ms": 60_000,
      "grpc.keepalive_timeout_ms": 20_000,
    });
    widenStreamWindows(this.server);
  }

  /** Serves a service. `open` names the methods that need no signature. */
  add<Service extends DescService, const Open extends keyof Service["method"] & string = never>(
    service: Service,
    open: readonly Open[],
    handlers: ServiceHandlers<Service, Open>,
  ): void {
    const implementation: UntypedServiceImplementation = {};
    const openNames: ReadonlySet<string> = new Set(open);
    for (const method of service.methods) {
      const handler = (handlers as Record<string, unknown>)[method.localName] as AnyHandler;
      const signed = !openNames.has(method.localName);
      implementation[method.localName] =
        method.methodKind === "server_streaming"
          ? this.#stream(method, handler, signed)
          : this.#unary(method, handler, signed);
    }
    this.server.addService(serviceDefinition(service), implementation);
  }

  /** Binds and serves. @returns the port */
  listen(address: string, credentials: ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.bindAsync(address, credentials, (cause, port) => {
        if (cause === null) {
          widenConnectionWindows(this.server);
          this.#connections.follow(this.server);
          resolve(port);
        } else {
          reject(
            new CoordinatorError(
              "ADDRESS_IN_USE",
              `expected ${address} to be free to listen on; stop what uses it, or choose another`,
              { cause },
            ),
          );
        }
      });
    });
  }

  /** Ends the streams, lets running calls finish for up to `graceMs`, then closes. */
  async close(graceMs = 2_000): Promise<void> {
    this.#draining.abort(goingDown());
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => {
        this.server.forceShutdown();
        this.#connections.destroy();
      }, graceMs);
      this.server.tryShutdown(() => {
        clearTimeout(force);
        resolve();
      });
    });
  }

  async #context(
    method: DescMethod,
    request: Message,
    metadata: Metadata,
    caller: string,
    signal: AbortSignal,
    signed: boolean,
  ): Promise<CallContext> {
    if (!signed) return { signal };
    const device = await signedBy(this.#options, caller, method, headerOf(metadata), receivedBytes(request));
    return { signal, device } as CallContext;
  }

  #fail(method: DescMethod, cause: unknown): ReturnType<typeof toServiceError> {
    if (!isTold(cause)) this.#options.onFault(methodPath(method), cause);
    return toServiceError(cause, this.#options.clock.now());
  }

  #unary(method: DescMethod, handler: AnyHandler, signed: boolean): handleUnaryCall<Message, Message> {
    return (call, callback) => {
      const answer = async (): Promise<Message> => {
        const header = headerOf(call.metadata);
        const caller = call.getPeer();
        const leader = await leaderOf(this.#options, method, caller, header, signed);
        if (leader !== undefined) {
          return leader.unary(method, header, receivedBytes(call.request), this.#draining.signal);
        }
        const context = await this.#context(method, call.request, call.metadata, caller, this.#draining.signal, signed);
        const output = await handler(call.request, context);
        return create(method.output, output as MessageInitShape<typeof method.output>);
      };
      answer().then(
        (message) => callback(null, message),
        (cause) => callback(this.#fail(method, cause)),
      );
    };
  }

  #stream(method: DescMethod, handler: AnyHandler, signed: boolean): handleServerStreamingCall<Message, Message> {
    return (call) => {
      sendWithoutCopies(call);
      const gone = new AbortController();
      call.on("cancelled", () => gone.abort(GONE));
      const { signal, leave } = this.#streams.join(gone.signal);
      const items = async (): Promise<AsyncIterable<MessageInitShape<typeof method.output>>> => {
        const header = headerOf(call.metadata);
        const caller = call.getPeer();
        const leader = await leaderOf(this.#options, method, caller, header, signed);
        if (leader !== undefined) return leader.stream(method, header, receivedBytes(call.request), signal);
        const context = await this.#context(method, call.request, call.metadata, caller, signal, signed);
        return handler(call.request, context) as AsyncIterable<MessageInitShape<typeof method.output>>;
      };
      const pump = async (): Promise<void> => {
        let before = Promise.resolve();
        for await (const item of await items()) {
          await before;
          if (gone.signal.aborted) break;
          before = sent(call, create(method.output, item), gone.signal);
          // A server that drains still says the last thing it has to say.
          if (this.#draining.signal.aborted) break;
        }
        await before;
      };
      pump()
        .finally(leave)
        .then(
          () => call.end(),
          (cause) => {
            if (gone.signal.aborted) call.end();
            else call.emit("error", this.#fail(method, cause));
          },
        );
    };
  }
}

/** A call's metadata, by name. */
function headerOf(metadata: Metadata): (name: string) => string | undefined {
  return (name) => {
    const value = metadata.get(name)[0];
    return typeof value === "string" ? value : undefined;
  };
}

/**
 * Sends a message and resolves when it is on its way. grpc-js would take sixteen before it asks to wait; this way a slow
 * reader costs the chunk that is being sent and the one that is ready, not sixteen of them.
 */
function sent(call: ServerWritableStream<Message, Message>, message: Message, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      gone.removeEventListener("abort", done);
      resolve();
    };
    // The callback of a stream that was cut may never come.
    gone.addEventListener("abort", done, { once: true });
    call.write(message, done);
  });
}
