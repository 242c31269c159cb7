import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { encodeBase64Url, encodeUtf8, type Signer } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import {
  Enrollment,
  EnrollRequestSchema,
  type EnrollResponse,
  encodeMessage,
  encodeRequest,
  METADATA,
  messageOf,
  methodPath,
  requestSigningInput,
} from "@fedloop/proto";
import { asClientError, ClientError } from "../errors.js";
import { encodeHex, type Sha256 } from "../hashing/sha256.js";
import type { Clock } from "../scheduling/clock.js";
import { isAskedToReturn, type RetryPolicy, withRetries } from "./retry.js";
import type { Transport } from "./transport.js";

/** What Enroll returned: under which name the device's requests go. base64url of 16 bytes each. */
export interface Session {
  readonly deviceId: string;
  readonly session: string;
}

export interface CoordinatorClientOptions {
  readonly transport: Transport;
  readonly population: string;
  readonly signer: Signer;
  /** An invitation; "" for none. */
  readonly token: string;
  readonly sha256: Sha256;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly retry: RetryPolicy;
  /** For each attempt of a unary call. */
  readonly timeoutMs: number;
  /** A session of an earlier run, if there is one. */
  readonly session: Session | undefined;
  /** Told after each enrolment, before the call that needed it is repeated; it throws to refuse the answer. */
  readonly onEnrolled: (answer: EnrollResponse) => Promise<void>;
}

interface Encoded {
  readonly body: Uint8Array;
  readonly digestHex: string;
}

/**
 * Calls one coordinator as one participant: signs each request, repeats it with a fresh nonce while that may help,
 * enrolls again when the session has expired, and follows the coordinator's clock where the device's is wrong.
 */
export class CoordinatorClient {
  readonly #options: CoordinatorClientOptions;
  #session: Session | undefined;
  #enrolling: Promise<EnrollResponse> | undefined;
  /** The coordinator's clock minus the device's, milliseconds. */
  #clockOffsetMs = 0;

  constructor(options: CoordinatorClientOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  /** The time by the coordinator's clock, as far as it is known. Milliseconds since the epoch. */
  nowMs(): number {
    return this.#options.clock.now() + this.#clockOffsetMs;
  }

  /** How long a request may let the coordinator hold its answer back, milliseconds. */
  async mayWaitMs(wishedMs: number): Promise<number> {
    return (await this.#options.transport.mayWait?.()) === false ? 0 : wishedMs;
  }

  /** A call that needs no session. */
  open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
    signal?: AbortSignal,
  ): Promise<MessageShape<O>> {
    const request = messageOf(method.input, init);
    const body = encodeMessage(method.input, request);
    const { transport, timeoutMs } = this.#options;
    return this.#retrying(() => transport.unary(method, request, { metadata: {}, body, timeoutMs, signal }), signal);
  }

  /**
   * A signed call.
   *
   * @param heldMs how long the request lets the coordinator hold its answer back, on top of the time that a call has
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
    signal?: AbortSignal,
    heldMs = 0,
  ): Promise<MessageShape<O>> {
    const request = messageOf(method.input, init);
    const encoded = this.#encode(method.input, request);
    const { transport } = this.#options;
    const timeoutMs = this.#options.timeoutMs + heldMs;
    return this.#retrying(
      () =>
        this.#corrected(async () => {
          const metadata = await this.#sign(methodPath(method), encoded.digestHex, signal);
          return transport.unary(method, request, { metadata, body: encoded.body, timeoutMs, signal });
        }, signal),
      signal,
    );
  }

  /**
   * A signed stream: one attempt, since only the reader knows where to go on. A first message that fails for the
   * session's or the clock's sake is asked for again.
   */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    init: MessageInitShape<I>,
    signal?: AbortSignal,
  ): AsyncGenerator<MessageShape<O>> {
    const request = messageOf(method.input, init);
    const encoded = this.#encode(method.input, request);
    const open = async (): Promise<[AsyncIterator<MessageShape<O>>, IteratorResult<MessageShape<O>>]> => {
      const metadata = await this.#sign(methodPath(method), encoded.digestHex, signal);
      const messages = this.#options.transport
        .serverStream(method, request, { metadata, body: encoded.body, signal })
        [Symbol.asyncIterator]();
      return [messages, await messages.next()];
    };
    const [messages, first] = await this.#corrected(open, signal);
    try {
      for (let item = first; item.done !== true; item = await messages.next()) yield item.value;
    } finally {
      await messages.return?.();
    }
  }

  /** Opens a session; calls at the same time share one. */
  enroll(signal?: AbortSignal): Promise<EnrollResponse> {
    this.#enrolling ??= this.#retrying(() => this.#correctedClock(() => this.#enrollOnce(signal)), signal).finally(
      () => {
        this.#enrolling = undefined;
      },
    );
    return this.#enrolling;
  }

  async #enrollOnce(signal: AbortSignal | undefined): Promise<EnrollResponse> {
    const { transport, population, signer, token, random, timeoutMs, onEnrolled } = this.#options;
    const nonce = new Uint8Array(16);
    random.fill(nonce);
    const timeMs = Math.round(this.nowMs());
    const text = `fedloop-enroll/v1\n${population}\n${encodeBase64Url(signer.publicKey)}\n${encodeBase64Url(nonce)}\n${timeMs}\n`;
    const signature = await signer.sign(encodeUtf8(text));
    const request = messageOf(EnrollRequestSchema, {
      population,
      publicKey: signer.publicKey,
      timeMs: BigInt(timeMs),
      nonce,
      signature,
      token,
    });
    const body = encodeMessage(EnrollRequestSchema, request);
    const answer = await transport.unary(Enrollment.method.enroll, request, { metadata: {}, body, timeoutMs, signal });
    if (answer.deviceId.length !== 16 || answer.session.length !== 16) {
      throw new ClientError("PROTOCOL", "expected a device id and a session of 16 bytes each from Enroll");
    }
    await onEnrolled(answer);
    this.#session = { deviceId: encodeBase64Url(answer.deviceId), session: encodeBase64Url(answer.session) };
    return answer;
  }

  #encode<D extends DescMessage>(schema: D, message: MessageShape<D>): Encoded {
    const { body, signed } = encodeRequest(schema, message);
    const hash = this.#options.sha256.start();
    for (const part of signed) hash.update(part);
    return { body, digestHex: encodeHex(hash.digest()) };
  }

  async #sign(path: string, digestHex: string, signal: AbortSignal | undefined): Promise<Record<string, string>> {
    if (this.#session === undefined) await this.enroll(signal);
    const session = this.#session;
    if (session === undefined) throw new ClientError("NOT_ENROLLED", "expected a session after enrolment, came none");
    const nonceBytes = new Uint8Array(16);
    this.#options.random.fill(nonceBytes);
    const nonce = encodeBase64Url(nonceBytes);
    const time = String(Math.round(this.nowMs()));
    const signed = requestSigningInput(path, session.session, nonce, time, digestHex);
    return {
      [METADATA.device]: session.deviceId,
      [METADATA.session]: session.session,
      [METADATA.nonce]: nonce,
      [METADATA.time]: time,
      [METADATA.signature]: encodeBase64Url(await this.#options.signer.sign(signed)),
    };
  }

  /** Repeats an attempt once after SESSION_EXPIRED and once after CLOCK_SKEW. */
  async #corrected<T>(attempt: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#session === undefined) await this.enroll(signal);
    const used = this.#session;
    try {
      return await this.#correctedClock(attempt);
    } catch (cause) {
      if (!isRemote(cause, "SESSION_EXPIRED")) throw cause;
      if (this.#session === used) {
        this.#session = undefined;
        await this.enroll(signal);
      }
      return this.#correctedClock(attempt);
    }
  }

  async #correctedClock<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (cause) {
      if (!isRemote(cause, "CLOCK_SKEW") || cause.serverTimeMs === undefined) throw cause;
      this.#clockOffsetMs = cause.serverTimeMs - this.#options.clock.now();
      return attempt();
    }
  }

  #retrying<T>(attempt: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { retry, clock, random } = this.#options;
    return withRetries({ policy: retry, clock, random }, attempt, unexpected, signal);
  }
}

function isRemote(cause: unknown, remoteCode: string): cause is ClientError {
  return cause instanceof ClientError && cause.code === "REMOTE" && cause.remoteCode === remoteCode;
}

function unexpected(cause: unknown): ClientError {
  return asClientError(cause, "PROTOCOL", "a call to the coordinator failed in an unexpected way");
}

/** Whether the coordinator may answer if asked again later: it is away, busy or starting. */
export function mayComeBack(cause: unknown): cause is ClientError {
  if (!(cause instanceof ClientError)) return false;
  return cause.code === "UNAVAILABLE" || cause.code === "DEADLINE" || isAskedToReturn(cause);
}
