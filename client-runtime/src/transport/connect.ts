// Connect over HTTP with fetch: for browsers, and for Node where gRPC is not wanted.
import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { decodeMessage, methodPath } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import { BrowserStreams } from "./browser-streams.js";
import {
  brokenCall,
  enveloped,
  requireAnswer,
  STREAM_TYPE,
  streamedMessages,
  UNARY_TYPE,
  wholeBody,
} from "./connect-protocol.js";
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
    return brokenCall(this.#path, cause);
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

/**
 * The same bytes, until the signal ends them. Node's fetch forgets its signal when the request is collected as garbage: a stream that
 * has gone silent would then be waited for without an end.
 */
function endedBy(body: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  return body.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), { signal });
}

/** What the messages are decoded as. @throws ClientError PROTOCOL */
function decoded<O extends DescMessage>(path: string, output: O, bytes: Uint8Array): MessageShape<O> {
  try {
    return decodeMessage(output, bytes);
  } catch (cause) {
    throw new ClientError("PROTOCOL", `${path}: the answer is not the message that was expected`, { cause });
  }
}

class ConnectTransport implements Transport {
  readonly #baseUrl: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #calls = new Set<Call>();
  readonly #silenceMs: number;
  readonly #streams: BrowserStreams | undefined;
  #isClosed = false;

  constructor({ baseUrl, fetch, silenceMs = SILENCE_MS }: ConnectTransportOptions) {
    this.#baseUrl = checkedUrl(baseUrl);
    // A browser takes its own fetch only as the window's, or the worker's.
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#silenceMs = silenceMs;
    this.#streams = BrowserStreams.to(this.#baseUrl);
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    _request: MessageShape<I>,
    { metadata, body, signal, timeoutMs }: CallOptions,
  ): Promise<MessageShape<O>> {
    const path = methodPath(method);
    const call = this.#begin(path, signal);
    // Not Connect's own time limit, which goes to the server as well and reads like any other cancellation.
    if (timeoutMs !== undefined) call.within(timeoutMs, "late");
    try {
      const response = await this.#post(path, UNARY_TYPE, metadata, body, call.signal);
      return decoded(path, method.output, await wholeBody(path, response));
    } catch (cause) {
      throw call.failure(cause);
    } finally {
      call[Symbol.dispose]();
    }
  }

  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    _request: MessageShape<I>,
    { metadata, body, signal }: CallOptions,
  ): AsyncGenerator<MessageShape<O>> {
    const path = methodPath(method);
    const call = this.#begin(path, signal);
    let closed: (() => void) | undefined;
    try {
      closed = await this.#streams?.open();
      call.within(this.#silenceMs, "silent");
      const response = await this.#post(path, STREAM_TYPE, metadata, enveloped(body), call.signal);
      if (response.body === null) throw new ClientError("PROTOCOL", `${path}: expected a stream, came an empty answer`);
      for await (const message of streamedMessages(path, endedBy(response.body, call.signal))) {
        // A reader may take its time; only the coordinator's is counted.
        call.pause();
        yield decoded(path, method.output, message);
        call.within(this.#silenceMs, "silent");
      }
    } catch (cause) {
      throw call.failure(cause);
    } finally {
      call[Symbol.dispose]();
      closed?.();
    }
  }

  async mayWait(): Promise<boolean> {
    return (await this.#streams?.areMany()) !== true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const call of [...this.#calls]) call.abort();
  }

  async #post(
    path: string,
    type: string,
    metadata: CallOptions["metadata"],
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers = { ...metadata, "content-type": type, "connect-protocol-version": "1" };
    const request = { method: "POST", redirect: "error", headers, body: body as BodyInit, signal } as const;
    return requireAnswer(path, await this.#fetch(this.#baseUrl + path, request), type);
  }

  #begin(path: string, signal: AbortSignal | undefined): Call {
    if (this.#isClosed) throw new ClientError("ABORTED", `${path}: expected an open transport, this one was closed`);
    return new Call(path, this.#calls, signal);
  }
}

/**
 * A transport over Connect and fetch. Browsers keep six connections to a host over HTTP/1.1 and one stream of round
 * events holds one of them as long as a participant runs: the sixth participant of a browser is refused with BAD_OPTION.
 * Over HTTP/2 there is no such limit.
 *
 * @throws ClientError BAD_OPTION for an address off loopback without https
 */
export function connectTransport(options: ConnectTransportOptions): Transport {
  return new ConnectTransport(options);
}
