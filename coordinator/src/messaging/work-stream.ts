/** The JetStream that carries work to aggregators and sums back. In memory: no update is written to a disk. */
import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import {
  AckPolicy,
  type ConsumerMessages,
  DiscardPolicy,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { Parts } from "./parts.js";
import { Questions } from "./questions.js";
import type { GroupSeal } from "./seal.js";

/** Below the megabyte that servers take unless configured otherwise. */
const PART_BYTES = 512 << 10;
/** What nobody takes any more, because its taker is gone, is dropped after this. Nanoseconds. */
const MAX_AGE_NS = 15 * 60 * 1e9;
/** A consumer whose process is gone is forgotten after this. Nanoseconds. */
const INACTIVE_NS = 60 * 1e9;
/** The server's time for one question, milliseconds. */
const TIMEOUT_MS = 5_000;
/** A server that is gone, or has lost the stream, is waited for so long when something is to be sent, milliseconds. */
const PATIENCE_MS = 10_000;
const AGAIN_MS = 100;
/** A consumer that hears nothing from the server for so long looks whether it still is one, milliseconds. */
const SILENT_MS = 5_000;

const WORK_KINDS = ["open", "vector", "finish", "ask", "drop", "sum", "lost"] as const;
/** What a message is about. */
export type WorkKind = (typeof WORK_KINDS)[number];

function isWorkKind(word: string): word is WorkKind {
  return WORK_KINDS.some((kind) => kind === word);
}

/** A message to be sent. */
export interface Outgoing {
  readonly group: string;
  readonly kind: WorkKind;
  readonly number?: number;
  readonly bytes: Uint8Array;
}

/** A message, whole again. */
export interface WorkMessage {
  readonly group: string;
  readonly kind: WorkKind;
  /** Tells vectors of a group apart; 0 else. */
  readonly number: number;
  /** Who is to be answered, by name. */
  readonly from: string;
  /** One byte after the other, still sealed by parts. */
  readonly parts: readonly Uint8Array[];
}

/** Binds a part to its place. */
export function partContext(
  { kind, number }: Pick<WorkMessage, "kind" | "number">,
  part: number,
  parts: number,
): string {
  return `${kind} ${number} ${part}/${parts}`;
}

/** A message's contents. @throws Error when it was not sealed for the group */
export function contentsOf(message: WorkMessage, seal: GroupSeal): Uint8Array {
  const opened = message.parts.map((part, at) => seal.open(partContext(message, at, message.parts.length), part));
  return opened.length === 1 ? (opened[0] ?? new Uint8Array(0)) : Buffer.concat(opened);
}

/** One log's work stream, as one process uses it: each has a subject of its own to be written to. */
export class WorkStream {
  readonly name: string;
  readonly #connection: NatsConnection;
  readonly #client: JetStreamClient;
  readonly #prefix: string;
  readonly #own: string;
  readonly #questions: Questions;
  #making: Promise<JetStreamManager> | undefined;
  #messages: ConsumerMessages | undefined;
  #deafSinceMs: number | undefined = performance.now();
  #isClosed = false;

  private constructor(connection: NatsConnection, prefix: string, own: string) {
    this.#connection = connection;
    this.#client = jetstream(connection, { timeout: TIMEOUT_MS });
    this.#questions = new Questions(connection);
    this.#prefix = prefix;
    this.#own = own;
    this.name = `fedloop-work-${prefix}`;
  }

  /**
   * @param origin the log's name
   * @param own this process, by a name of letters, digits and -
   */
  static async open(connection: NatsConnection, origin: string, own: string): Promise<WorkStream> {
    const prefix = createHash("sha256").update(origin).digest("hex").slice(0, 16);
    const stream = new WorkStream(connection, prefix, own);
    await stream.#make();
    return stream;
  }

  /** The stream, which ends with the server's process: whoever finds it gone makes it anew. */
  #make(): Promise<JetStreamManager> {
    this.#making ??= this.#makeOnce().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #makeOnce(): Promise<JetStreamManager> {
    const manager = await this.#ask(() => jetstreamManager(this.#connection, { timeout: TIMEOUT_MS }));
    const stream = {
      name: this.name,
      subjects: [`fedloop.${this.#prefix}.work.*`],
      storage: StorageType.Memory,
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      max_age: MAX_AGE_NS,
    };
    await this.#ask(() => manager.streams.add(stream));
    return manager;
  }

  #ask<T>(ask: () => Promise<T>): Promise<T> {
    return this.#questions.ask(ask, TIMEOUT_MS);
  }

  /** The subject on which aggregators say that they are there. */
  get presence(): string {
    return `fedloop.${this.#prefix}.present`;
  }

  get connection(): NatsConnection {
    return this.#connection;
  }

  /** How long nothing could be received, milliseconds; 0 while it can. */
  get deafMs(): number {
    return this.#deafSinceMs === undefined ? 0 : performance.now() - this.#deafSinceMs;
  }

  /**
   * What is sent to this process, from now on, until `close`; parts are put together, and what is torn is left out.
   *
   * @throws Error when the message server has lost the stream, or cannot be reached
   */
  async *receive(): AsyncGenerator<WorkMessage> {
    const manager = await this.#make();
    const consumer = {
      durable_name: this.#own,
      filter_subject: this.#subject(this.#own),
      ack_policy: AckPolicy.Explicit,
      inactive_threshold: INACTIVE_NS,
      max_ack_pending: 256,
    };
    await this.#ask(() => manager.consumers.add(this.name, consumer));
    const added = await this.#ask(() => this.#client.consumers.get(this.name, this.#own));
    const messages = await added.consume({ max_messages: 64, expires: SILENT_MS, abort_on_missing_resource: true });
    this.#messages = messages;
    if (this.#isClosed) messages.stop();
    this.#deafSinceMs = undefined;
    try {
      yield* this.#whole(messages);
    } finally {
      this.#deafSinceMs = performance.now();
    }
  }

  async *#whole(messages: ConsumerMessages): AsyncGenerator<WorkMessage> {
    const torn = new Parts();
    for await (const message of messages) {
      const field = (name: string): string => message.headers?.get(name) ?? "";
      // Handed over at most once: a vector is added once or not at all, and a sum that misses one is of no use to anyone.
      message.ack();
      const kind = field("kind");
      // A process of another version may send what this one does not know.
      if (!isWorkKind(kind)) continue;
      const whole = torn.take({
        group: field("group"),
        kind,
        from: field("from"),
        number: Number(field("number")),
        part: Number(field("part")),
        parts: Number(field("parts")),
        bytes: message.data,
      });
      if (whole !== undefined) yield whole;
    }
  }

  /**
   * Sends a message to a process, and resolves when the stream has it. What the server has not taken is sent once more, whole, for
   * a while: whoever takes a message must take it twice.
   *
   * @param message whose bytes are the caller's again when this returns
   * @param after what is to be sent before
   * @throws Error when the message server cannot be reached, or has no place
   */
  async send(to: string, message: Outgoing, seal: GroupSeal, after?: Promise<unknown>): Promise<void> {
    const { group, kind, number = 0, bytes } = message;
    const count = Math.max(Math.ceil(bytes.length / PART_BYTES), 1);
    const parts = Array.from({ length: count }, (_, part) =>
      seal.seal(partContext({ kind, number }, part, count), bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)),
    );
    await after;
    const publish = (sealed: Uint8Array, part: number, attempt: number): Promise<unknown> => {
      const fields = headers();
      for (const [name, value] of Object.entries({ group, kind, number, part, parts: count, from: this.#own })) {
        fields.set(name, String(value));
      }
      // Parts come in their order, so all of them are sent again: as others, of which the stream has none yet.
      const msgID = `${group} ${kind} ${number} ${part} ${attempt}`;
      return this.#ask(() => this.#client.publish(this.#subject(to), sealed, { headers: fields, msgID }));
    };
    const patienceEndsMs = performance.now() + PATIENCE_MS;
    for (let attempt = 0; ; attempt++) {
      const outcomes = await Promise.allSettled(parts.map((sealed, part) => publish(sealed, part, attempt)));
      const failed = outcomes.find((outcome) => outcome.status === "rejected");
      if (failed === undefined) return;
      if (this.#isClosed || this.#connection.isClosed() || performance.now() > patienceEndsMs) throw failed.reason;
      await wait(AGAIN_MS);
      await this.#make().catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#messages?.close();
  }

  #subject(process: string): string {
    return `fedloop.${this.#prefix}.work.${process}`;
  }
}
