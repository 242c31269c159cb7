// gRPC over HTTP/2, for Node: with what Node brings, and no package.
import type { OutgoingHttpHeaders, SecureClientSessionOptions } from "node:http2";
import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { decodeMessage, methodPath } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import { type CallListener, GrpcCall, sendMessage } from "./grpc-call.node.js";
import { GrpcConnection } from "./grpc-connection.node.js";
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
}

const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]):[0-9]+$/;

/** Messages of a stream that wait for their reader before no more are read. */
const READ_AHEAD = 2;

/** @throws ClientError BAD_OPTION */
function connectionTo({ address, tls }: GrpcTransportOptions): GrpcConnection {
  if (tls !== undefined) return new GrpcConnection(`https://${address}`, secureOptions(tls));
  if (LOOPBACK.test(address)) return new GrpcConnection(`http://${address}`, {});
  throw new ClientError(
    "BAD_OPTION",
    `expected TLS for an address off loopback, came none for ${address}; pass tls: {} to use the system's certificates`,
  );
}

function secureOptions({ rootCertificates, clientCertificate }: TlsOptions): SecureClientSessionOptions {
  return {
    ...(rootCertificates === undefined ? {} : { ca: Buffer.from(rootCertificates) }),
    ...(clientCertificate === undefined
      ? {}
      : { key: Buffer.from(clientCertificate.key), cert: Buffer.from(clientCertificate.certificates) }),
  };
}

class GrpcTransport implements Transport {
  readonly #connection: GrpcConnection;

  constructor(options: GrpcTransportOptions) {
    this.#connection = connectionTo(options);
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    _request: MessageShape<I>,
    { metadata, body, signal, timeoutMs }: CallOptions,
  ): Promise<MessageShape<O>> {
    const path = methodPath(method);
    const headers = timeoutMs === undefined ? metadata : { ...metadata, "grpc-timeout": `${Math.ceil(timeoutMs)}m` };
    const ended = new Deferred<MessageShape<O>>();
    let answer: MessageShape<O> | undefined;
    const late = timeoutMs === undefined ? undefined : setTimeout(() => stop("DEADLINE"), timeoutMs);
    let call: GrpcCall | undefined;
    const stop = (code: "DEADLINE" | "ABORTED"): void => {
      const error = new ClientError(code, code === "DEADLINE" ? `${path}: no answer in time` : `${path} was aborted`);
      ended.reject(error);
      call?.cancel(error);
    };
    const abort = (): void => stop("ABORTED");
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const begun = this.#begin(path, headers, body, signal, {
        onMessage: (message) => {
          answer = decodeMessage(method.output, message);
        },
        onEnd: (error) => {
          if (error !== undefined) ended.reject(error);
          else if (answer === undefined) ended.reject(new ClientError("PROTOCOL", `${path}: came no message`));
          else ended.resolve(answer);
        },
      });
      begun.then((started) => {
        call = started;
        // It may have been stopped while there was no connection yet.
        if (ended.isOver) started.cancel(new ClientError("ABORTED", `${path} was aborted`));
      }, ended.reject);
      return await ended.promise;
    } finally {
      clearTimeout(late);
      signal?.removeEventListener("abort", abort);
    }
  }

  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    _request: MessageShape<I>,
    { metadata, body, signal }: CallOptions,
  ): AsyncGenerator<MessageShape<O>> {
    const path = methodPath(method);
    const messages: MessageShape<O>[] = [];
    let end: { readonly error: ClientError | undefined } | undefined;
    let wake: (() => void) | undefined;
    const call = await this.#begin(path, metadata, body, signal, {
      onMessage: (message) => {
        messages.push(decodeMessage(method.output, message));
        if (messages.length >= READ_AHEAD) call.pause();
        wake?.();
      },
      onEnd: (error) => {
        end = { error };
        wake?.();
      },
    });
    const abort = (): void => call.cancel(new ClientError("ABORTED", `${path} was aborted`, { cause: signal?.reason }));
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      for (;;) {
        const message = messages.shift();
        if (message !== undefined) {
          if (messages.length < READ_AHEAD) call.resume();
          yield message;
        } else if (end !== undefined) {
          if (end.error !== undefined) throw end.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      call.cancel(new ClientError("ABORTED", `${path} is not read any more`));
    }
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #begin(
    path: string,
    metadata: OutgoingHttpHeaders,
    body: Uint8Array,
    signal: AbortSignal | undefined,
    listener: CallListener,
  ): Promise<GrpcCall> {
    if (signal?.aborted === true) throw new ClientError("ABORTED", `${path} was aborted`, { cause: signal.reason });
    try {
      const stream = await this.#connection.request({
        ":method": "POST",
        ":path": path,
        te: "trailers",
        "content-type": "application/grpc+proto",
        "grpc-accept-encoding": "identity",
        ...metadata,
      });
      const call = new GrpcCall(path, stream, listener);
      sendMessage(stream, body);
      return call;
    } catch (cause) {
      const code = this.#connection.isClosed ? "ABORTED" : "UNAVAILABLE";
      throw new ClientError(code, `${path}: the coordinator cannot be reached`, { cause });
    }
  }
}

/** A promise that is settled from outside, once. */
class Deferred<Value> {
  readonly promise: Promise<Value>;
  isOver = false;
  #settle: { resolve(value: Value): void; reject(cause: unknown): void } | undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  readonly resolve = (value: Value): void => {
    this.isOver = true;
    this.#settle?.resolve(value);
  };

  readonly reject = (cause: unknown): void => {
    this.isOver = true;
    this.#settle?.reject(cause);
  };
}

/**
 * A transport over gRPC. One HTTP/2 connection carries the calls of all participants that share it.
 *
 * @throws ClientError BAD_OPTION for an address off loopback without TLS
 */
export function grpcTransport(options: GrpcTransportOptions): Transport {
  return new GrpcTransport(options);
}
