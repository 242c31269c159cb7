// Connect over HTTP with fetch: for browsers, and for Node where gRPC is not wanted.
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport as ConnectTransport } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { createConnectTransport } from "@connectrpc/connect-web";
import { ErrorDetailSchema, methodPath } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import type { CallOptions, Transport } from "./transport.js";

export interface ConnectTransportOptions {
  /** Where the coordinator serves HTTP, such as "https://fedloop.example.org". */
  readonly baseUrl: string;
  /** The platform's unless given: for tests, and for apps that add headers of their own. */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * After so many milliseconds without a message a stream counts as broken, and is opened anew: fetch does not notice a
   * connection that died without a word, as when a laptop changes networks. 60 000 unless given.
   */
  readonly silenceMs?: number;
}

const SILENCE_MS = 60_000;

const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;

/** @throws ClientError BAD_OPTION */
function checkedUrl(baseUrl: string): string {
  let url: URL;
  try {
    url = new URL(baseUrl);
  } catch (cause) {
    throw new ClientError("BAD_OPTION", `expected a URL like https://host as baseUrl, came "${baseUrl}"`, { cause });
  }
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
  if (isSafe) return baseUrl.replace(/\/+$/, "");
  throw new ClientError("BAD_OPTION", `expected https for an address off loopback, came ${url.protocol}//${url.host}`);
}

/** What a failed call means to the caller. */
function clientError(path: string, cause: unknown): ClientError {
  if (cause instanceof ClientError) return cause;
  const error = ConnectError.from(cause);
  const [detail] = error.findDetails(ErrorDetailSchema);
  if (detail !== undefined) {
    return new ClientError("REMOTE", `${path}: ${detail.code}: ${detail.message}`, {
      cause,
      remoteCode: detail.code,
      retryAfterMs: detail.retryAfterMs,
      serverTimeMs: Number(detail.serverTimeMs),
    });
  }
  switch (error.code) {
    case Code.Unimplemented:
    case Code.InvalidArgument:
    case Code.PermissionDenied:
    case Code.Unauthenticated:
      // An HTTP status from something that is not the coordinator: a wrong address, a proxy.
      return new ClientError("PROTOCOL", `${path}: the answer is not a coordinator's (${Code[error.code]})`, { cause });
    default:
      // fetch does not tell a refused connection from one that broke, or from a page that CORS keeps out.
      return new ClientError("UNAVAILABLE", `${path}: the coordinator cannot be reached, or the connection broke`, {
        cause,
      });
  }
}

/** One call under way: it ends with the app's signal, with the transport, or when it has taken too long. */
class Call implements Disposable {
  readonly #controller = new AbortController();
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  readonly #calls: Set<Call>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #end: "aborted" | "late" | "silent" | undefined;

  constructor(path: string, calls: Set<Call>, signal: AbortSignal | undefined) {
    this.#path = path;
    this.#calls = calls;
    this.#signal = signal;
    if (signal?.aborted === true) throw new ClientError("ABORTED", `${path} was aborted`, { cause: signal.reason });
    signal?.addEventListener("abort", this.abort, { once: true });
    calls.add(this);
  }

  /** Ends the call unless this is called again, or the call is over, within so many milliseconds. */
  within(ms: number, otherwise: "late" | "silent"): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#stop(otherwise), ms);
  }

  /** Nothing is waited for. */
  pause(): void {
    clearTimeout(this.#timer);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly abort = (): void => this.#stop("aborted");

  /** What the call's failure means. */
  failure(cause: unknown): ClientError {
    if (this.#end === "late") return new ClientError("DEADLINE", `${this.#path}: no answer in time`, { cause });
    if (this.#end === "silent") {
      return new ClientError("UNAVAILABLE", `${this.#path}: the stream was silent for too long`, { cause });
    }
    if (this.#end === "aborted") return new ClientError("ABORTED", `${this.#path} was aborted`, { cause });
    return clientError(this.#path, cause);
  }

  /** Ends the request if it is not over: a stream that nobody reads any more would hold its connection. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.abort);
    this.#calls.delete(this);
    this.#controller.abort();
  }

  #stop(end: "aborted" | "late" | "silent"): void {
    this.#end ??= end;
    this.#controller.abort();
  }
}

/** Names a call's body between this transport and its fetch; it does not leave the device. */
const BODY = "fedloop-body";

/**
 * Connect encodes the request message itself, while the signature covers the bytes that were encoded before: Connect is
 * given an empty message, and fetch the signed bytes.
 */
class ConnectWebTransport implements Transport {
  readonly #transport: ConnectTransport;
  readonly #calls = new Set<Call>();
  readonly #bodies = new Map<string, Uint8Array>();
  #nextBody = 1;
  readonly #silenceMs: number;
  #isClosed = false;

  constructor({ baseUrl, fetch, silenceMs = SILENCE_MS }: ConnectTransportOptions) {
    this.#silenceMs = silenceMs;
    this.#transport = createConnectTransport({
      baseUrl: checkedUrl(baseUrl),
      useBinaryFormat: true,
      fetch: (input, init) => {
        const headers = new Headers(init?.headers);
        const body = this.#bodies.get(headers.get(BODY) ?? "");
        headers.delete(BODY);
        // A browser takes its own fetch only as the window's, or the worker's.
        return (fetch ?? globalThis.fetch)(input, { ...init, headers, body: body as BodyInit });
      },
    });
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    _request: MessageShape<I>,
    { metadata, body, signal, timeoutMs }: CallOptions,
  ): Promise<MessageShape<O>> {
    const call = this.#begin(methodPath(method), signal);
    // Not Connect's own time limit, which goes to the server as well and reads like any other cancellation.
    if (timeoutMs !== undefined) call.within(timeoutMs, "late");
    const name = this.#keep(body);
    try {
      const headers = { ...metadata, [BODY]: name };
      return (await this.#transport.unary(method, call.signal, undefined, headers, create(method.input))).message;
    } catch (cause) {
      throw call.failure(cause);
    } finally {
      this.#bodies.delete(name);
      call[Symbol.dispose]();
    }
  }

  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    _request: MessageShape<I>,
    { metadata, body, signal }: CallOptions,
  ): AsyncGenerator<MessageShape<O>> {
    const call = this.#begin(methodPath(method), signal);
    call.within(this.#silenceMs, "silent");
    const name = this.#keep(encodeEnvelope(0, body));
    try {
      const headers = { ...metadata, [BODY]: name };
      const answer = await this.#transport.stream(method, call.signal, undefined, headers, one(create(method.input)));
      for await (const message of answer.message) {
        // A reader may take its time; only the coordinator's is counted.
        call.pause();
        yield message;
        call.within(this.#silenceMs, "silent");
      }
    } catch (cause) {
      throw call.failure(cause);
    } finally {
      this.#bodies.delete(name);
      call[Symbol.dispose]();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const call of [...this.#calls]) call.abort();
  }

  #keep(body: Uint8Array): string {
    const name = String(this.#nextBody++);
    this.#bodies.set(name, body);
    return name;
  }

  #begin(path: string, signal: AbortSignal | undefined): Call {
    if (this.#isClosed) throw new ClientError("ABORTED", `${path}: expected an open transport, this one was closed`);
    return new Call(path, this.#calls, signal);
  }
}

async function* one<Message>(message: Message): AsyncGenerator<Message> {
  yield message;
}

/**
 * A transport over Connect and fetch. Browsers keep six connections to a host over HTTP/1.1 and one stream of round
 * events holds one of them as long as a participant runs; over HTTP/2 there is no such limit.
 *
 * @throws ClientError BAD_OPTION for an address off loopback without https
 */
export function connectTransport(options: ConnectTransportOptions): Transport {
  return new ConnectWebTransport(options);
}
