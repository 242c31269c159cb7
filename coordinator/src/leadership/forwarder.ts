import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { type DescMethod, fromBinary, type Message } from "@bufbuild/protobuf";
import { ErrorDetailSchema, MAX_MESSAGE_BYTES, METADATA, methodPath } from "@fedloop/proto";
import { type ChannelCredentials, Client, type ClientReadableStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import { COORDINATOR_ERROR_CODES, CoordinatorError, type CoordinatorErrorCode } from "../errors.js";
import type { Registry } from "../registry/registry.js";
import { type Leader, type Leases, notLeading } from "./leases.js";

/** Marks a call that a coordinator has passed on: it is not passed on once more. */
export const FORWARDED = "fedloop-forwarded";
/** A leader that another one told of is asked for again after this. Milliseconds. */
const KNOWN_MS = 500;
/** No call takes longer; a coordinator holds answers back for a minute at most. */
const DEADLINE_MS = 90_000;

type Header = (name: string) => string | undefined;

/** Where signed calls of a device belong when this process does not lead its population. */
export interface CallForwarder {
  /** Whether a coordinator of this log has passed the call on to this one. */
  isPassedOn(header: Header): boolean;
  /**
   * @param header the call's metadata
   * @returns undefined when the call is to be answered here
   * @throws CoordinatorError RETRY while nobody leads
   */
  leaderFor(header: Header): Promise<RemoteLeader | undefined>;
}

/** The coordinator that answers in place of this one; it checks the call's signature itself. */
export interface RemoteLeader {
  unary(method: DescMethod, header: Header, body: Uint8Array, signal: AbortSignal): Promise<Message>;
  stream(method: DescMethod, header: Header, body: Uint8Array, signal: AbortSignal): AsyncIterable<Message>;
}

export interface ForwarderOptions {
  readonly leases: Leases;
  readonly registry: Pick<Registry, "find">;
  /** How other coordinators are spoken to. */
  readonly credentials: ChannelCredentials;
  /** What all coordinators of the log know, and nobody else; 32 bytes. */
  readonly secret: Uint8Array;
  /** Whether this process leads a population. */
  readonly leads: (population: string) => boolean;
  /** A clock that nobody sets, milliseconds. The platform's unless given. */
  readonly monotonic?: { now(): number };
}

interface Passed {
  readonly population: string;
  readonly address: string;
  cancel(): void;
}

/**
 * Passes calls on to the coordinator that leads the caller's population, as the bytes that the device signed. So a device
 * may talk to any coordinator, and a balancer before them need know nothing.
 */
export class Forwarder implements CallForwarder {
  readonly #options: ForwarderOptions;
  readonly #clients = new Map<string, Client>();
  readonly #known = new Map<string, { readonly leader: Leader | undefined; readonly atMs: number }>();
  readonly #passed = new Set<Passed>();
  readonly #monotonic: { readonly now: () => number };
  readonly #checking: NodeJS.Timeout;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    const { monotonic = performance } = options;
    this.#monotonic = { now: () => monotonic.now() };
    // A leader that was stopped, or cut off, never answers: what waits for it is cancelled when another one leads.
    this.#checking = setInterval(() => void this.#check(), options.leases.intervalMs);
    this.#checking.unref();
  }

  /** Coordinators that there is a channel to. */
  get channels(): number {
    return this.#clients.size;
  }

  async leaderFor(header: Header): Promise<RemoteLeader | undefined> {
    const id = header(METADATA.device);
    const device = id === undefined ? undefined : await this.#options.registry.find(id);
    if (device === undefined || this.#options.leads(device.population)) return undefined;
    if (this.isPassedOn(header)) throw notLeading(device.population);
    const leader = await this.#leader(device.population);
    if (leader === undefined || leader.holder === this.#options.leases.holder) throw notLeading(device.population);
    return this.#remote(device.population, leader.address);
  }

  isPassedOn(header: Header): boolean {
    const mark = header(FORWARDED);
    return mark !== undefined && timingSafeEqual(sha256(mark), sha256(this.#mark(header)));
  }

  /** Over what no two calls have in common. */
  #mark(header: Header): string {
    const text = `fedloop-forwarded/v1\n${header(METADATA.device)}\n${header(METADATA.signature)}\n`;
    return createHmac("sha256", this.#options.secret).update(text).digest("base64url");
  }

  #metadata(header: Header): Metadata {
    const metadata = new Metadata();
    for (const name of [METADATA.device, METADATA.session, METADATA.nonce, METADATA.time, METADATA.signature]) {
      const value = header(name);
      if (value !== undefined) metadata.set(name, value);
    }
    metadata.set(FORWARDED, this.#mark(header));
    return metadata;
  }

  close(): void {
    clearInterval(this.#checking);
    for (const { cancel } of this.#passed) cancel();
    for (const client of this.#clients.values()) client.close();
  }

  async #leader(population: string, maxAgeMs = KNOWN_MS): Promise<Leader | undefined> {
    const known = this.#known.get(population);
    const { now } = this.#monotonic;
    if (known !== undefined && now() - known.atMs < maxAgeMs) return known.leader;
    const leader = await this.#options.leases.leader(population);
    this.#known.set(population, { leader, atMs: now() });
    return leader;
  }

  async #check(): Promise<void> {
    for (const population of new Set([...this.#passed].map((passed) => passed.population))) {
      const leader = await this.#leader(population, 0).catch(() => null);
      if (leader === null) continue;
      for (const passed of this.#passed) {
        if (passed.population === population && passed.address !== leader?.address) passed.cancel();
      }
    }
  }

  #client(address: string): Client {
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    this.#closeUnused();
    const client = new Client(address, this.#options.credentials, {
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 2_000,
      "grpc.enable_retries": 0,
    });
    this.#clients.set(address, client);
    return client;
  }

  /** A coordinator that is started anew may have another address: its former one's channel would try to connect for good. */
  #closeUnused(): void {
    const used = new Set([...this.#passed].map(({ address }) => address));
    for (const { leader } of this.#known.values()) if (leader !== undefined) used.add(leader.address);
    for (const [address, client] of [...this.#clients]) {
      if (used.has(address)) continue;
      client.close();
      this.#clients.delete(address);
    }
  }

  #remote(population: string, address: string): RemoteLeader {
    const client = this.#client(address);
    const metadata = (header: Header): Metadata => this.#metadata(header);
    const failed = (cause: ServiceError): CoordinatorError => {
      const told = toldBy(cause);
      if (told !== undefined) return told;
      this.#known.delete(population);
      return new CoordinatorError("RETRY", `the coordinator that leads ${population} cannot be reached; come back`, {
        retryAfterMs: 500,
        cause,
      });
    };
    const until = (cancel: () => void, signal: AbortSignal): (() => void) => {
      const passed = { population, address, cancel };
      this.#passed.add(passed);
      signal.addEventListener("abort", cancel, { once: true });
      return () => {
        this.#passed.delete(passed);
        signal.removeEventListener("abort", cancel);
      };
    };
    return {
      unary: (method, header, body, signal) =>
        new Promise((resolve, reject) => {
          const call = client.makeUnaryRequest(
            methodPath(method),
            asBuffer,
            (bytes: Buffer) => fromBinary(method.output, bytes),
            body,
            metadata(header),
            { deadline: Date.now() + DEADLINE_MS },
            (cause, answer) => {
              done();
              if (cause !== null) reject(failed(cause));
              else if (answer === undefined) reject(notLeading(population));
              else resolve(answer);
            },
          );
          const done = until(() => call.cancel(), signal);
        }),
      async *stream(method, header, body, signal) {
        const call: ClientReadableStream<Message> = client.makeServerStreamRequest(
          methodPath(method),
          asBuffer,
          (bytes: Buffer) => fromBinary(method.output, bytes),
          body,
          metadata(header),
        );
        const done = until(() => call.cancel(), signal);
        try {
          yield* call as AsyncIterable<Message>;
        } catch (cause) {
          if (!signal.aborted) throw failed(cause as ServiceError);
        } finally {
          done();
          call.cancel();
        }
      },
    };
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function isKnown(code: string): code is CoordinatorErrorCode {
  return (COORDINATOR_ERROR_CODES as readonly string[]).includes(code);
}

/** The leader's own error; undefined when none came from it. */
function toldBy({ metadata }: ServiceError): CoordinatorError | undefined {
  const [bytes] = metadata?.get(METADATA.error) ?? [];
  if (!(bytes instanceof Uint8Array)) return undefined;
  const { code, message, retryAfterMs } = fromBinary(ErrorDetailSchema, bytes);
  return new CoordinatorError(isKnown(code) ? code : "INTERNAL", message, { retryAfterMs });
}
