// gRPC over HTTP/2 with grpc-js, for Node.
import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { decodeMessage, FLOW_CONTROL_WINDOW_BYTES, MAX_MESSAGE_BYTES, METADATA, methodPath } from "@fedloop/proto";
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { ClientError } from "../errors.js";
import { remoteError } from "./remote-error.js";
import type { CallOptions, Transport } from "./transport.js";

/** PEM texts. Without a client certificate the device proves itself by its signatures alone, which is the rule. */
export interface TlsOptions {
  readonly rootCertificates?: Uint8Array;
  readonly clientCertificate?: { readonly key: Uint8Array; readonly certificates: Uint8Array };
}

export interface GrpcTransportOptions {
  /** `host:port`. */
  readonly address: string;
  /** Required for every address that is not loopback. */
  readonly tls?: TlsOptions;
  /** grpc-js channel options, over those of this transport. */
  readonly channelOptions?: ChannelOptions;
}

const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]):[0-9]+$/;

function channelCredentials({ address, tls }: GrpcTransportOptions): ChannelCredentials {
  if (tls !== undefined) {
    const key = tls.clientCertificate?.key;
    const chain = tls.clientCertificate?.certificates;
    return credentials.createSsl(asBuffer(tls.rootCertificates), asBuffer(key), asBuffer(chain));
  }
  if (LOOPBACK.test(address)) return credentials.createInsecure();
  throw new ClientError(
    "BAD_OPTION",
    `expected TLS for an address off loopback, came none for ${address}; pass tls: {} to use the system's certificates`,
  );
}

function asBuffer(bytes: Uint8Array): Buffer;
function asBuffer(bytes: Uint8Array | undefined): Buffer | null;
function asBuffer(bytes: Uint8Array | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function metadataOf(entries: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

function isServiceError(cause: unknown): cause is ServiceError {
  return cause instanceof Error && "code" in cause && "metadata" in cause;
}

/** What a failed call means to the caller. */
function clientError(path: string, cause: unknown): ClientError {
  if (cause instanceof ClientError) return cause;
  if (!isServiceError(cause)) return new ClientError("PROTOCOL", `${path} failed in transport`, { cause });
  const [detailBytes] = cause.metadata?.get(METADATA.error) ?? [];
  if (detailBytes instanceof Uint8Array) return remoteError(path, detailBytes, cause);
  switch (cause.code) {
    case status.UNAVAILABLE:
      return new ClientError("UNAVAILABLE", `${path}: the coordinator cannot be reached`, { cause });
    case status.DEADLINE_EXCEEDED:
      return new ClientError("DEADLINE", `${path}: no answer in time`, { cause });
    case status.CANCELLED:
      return new ClientError("ABORTED", `${path} was aborted`, { cause });
    // What an HTTP/2 stream that was reset in mid-answer looks like.
    case status.INTERNAL:
    case status.UNKNOWN:
      return new ClientError("UNAVAILABLE", `${path}: the connection broke`, { cause });
    default:
      return new ClientError("PROTOCOL", `${path}: gRPC status ${status[cause.code] ?? cause.code}`, { cause });
  }
}

class GrpcTransport implements Transport {
  readonly #client: Client;

  constructor(options: GrpcTransportOptions) {
    this.#client = new Client(options.address, channelCredentials(options), {
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
      "grpc-node.flow_control_window": FLOW_CONTROL_WINDOW_BYTES,
      // Diagnostics that nobody reads, at a cost for every call.
      "grpc.enable_channelz": 0,
      // One transport, one connection: grpc-js would else lead all transports of a process over the same one.
      "grpc.use_local_subchannel_pool": 1,
      // A connection that died without a word is noticed, so that no round event is waited for in vain.
      "grpc.keepalive_time_ms": 60_000,
      "grpc.keepalive_timeout_ms": 20_000,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 10_000,
      // Retries need a new nonce and signature, so they are made above the transport.
      "grpc.enable_retries": 0,
      ...options.channelOptions,
    });
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    _request: MessageShape<I>,
    { metadata, body, signal, timeoutMs }: CallOptions,
  ): Promise<MessageShape<O>> {
    const path = methodPath(method);
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(new ClientError("ABORTED", `${path} was aborted`, { cause: signal.reason }));
        return;
      }
      const options: GrpcCallOptions = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
      const cancel = (): void => call.cancel();
      const call = this.#client.makeUnaryRequest<Uint8Array, MessageShape<O>>(
        path,
        asBuffer,
        (bytes) => decodeMessage(method.output, bytes),
        body,
        metadataOf(metadata),
        options,
        (error, answer) => {
          signal?.removeEventListener("abort", cancel);
          if (error !== null) reject(clientError(path, error));
          else if (answer === undefined) reject(new ClientError("PROTOCOL", `${path}: came no message`));
          else resolve(answer);
        },
      );
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    _request: MessageShape<I>,
    { metadata, body, signal }: CallOptions,
  ): AsyncGenerator<MessageShape<O>> {
    const path = methodPath(method);
    if (signal?.aborted === true) throw new ClientError("ABORTED", `${path} was aborted`, { cause: signal.reason });
    const call = this.#client.makeServerStreamRequest<Uint8Array, MessageShape<O>>(
      path,
      asBuffer,
      (bytes) => decodeMessage(method.output, bytes),
      body,
      metadataOf(metadata),
      {},
    );
    // A cancelled call may report its end after the loop below has gone; nobody else listens then.
    call.on("error", () => {});
    const cancel = (): void => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      for await (const message of call) yield message;
    } catch (cause) {
      throw clientError(path, cause);
    } finally {
      signal?.removeEventListener("abort", cancel);
      call.cancel();
    }
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }
}

/**
 * A transport over gRPC. One HTTP/2 connection carries the calls of all participants that share it.
 *
 * @throws ClientError BAD_OPTION for an address off loopback without TLS
 */
export function grpcTransport(options: GrpcTransportOptions): Transport {
  return new GrpcTransport(options);
}
