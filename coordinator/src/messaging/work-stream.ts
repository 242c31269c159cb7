/** The JetStream that carries work to aggregators and sums back. In memory: no update is written to a disk. */
import { createHash } from "node:crypto";
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
import type { GroupSeal } from "./seal.js";

/** Below the megabyte that servers take unless configured otherwise. */
const PART_BYTES = 512 << 10;
/** What nobody takes any more, because its taker is gone, is dropped after this. Nanoseconds. */
const MAX_AGE_NS = 15 * 60 * 1e9;
/** A consumer whose process is gone is forgotten after this. Nanoseconds. */
const INACTIVE_NS = 60 * 1e9;
const TIMEOUT_MS = 5_000;

/** What a message is about. */
export type WorkKind = "open" | "vector" | "finish" | "drop" | "sum" | "lost";

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
  #messages: ConsumerMessages | undefined;

  private constructor(connection: NatsConnection, prefix: string, own: string) {
    this.#connection = connection;
    this.#client = jetstream(connection, { timeout: TIMEOUT_MS });
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
  async #make(): Promise<JetStreamManager> {
    const manager = await jetstreamManager(this.#connection, { timeout: TIMEOUT_MS });
    await manager.streams.add({
      name: this.name,
      subjects: [`fedloop.${this.#prefix}.work.*`],
      storage: StorageType.Memory,
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      max_age: MAX_AGE_NS,
    });
    return manager;
  }

  /** The subject on which aggregators say that they are there. */
  get presence(): string {
    return `fedloop.${this.#prefix}.present`;
  }

  get connection(): NatsConnection {
    return this.#connection;
  }

  /**
   * What is sent to this process, from now on, until `close`; parts are put together, and what is torn is left out.
   *
   * @throws Error when the message server has lost the stream, or cannot be reached
   */
  async *receive(): AsyncGenerator<WorkMessage> {
    const manager = await this.#make();
    await manager.consumers.add(this.name, {
      durable_name: this.#own,
      filter_subject: this.#subject(this.#own),
      ack_policy: AckPolicy.Explicit,
      inactive_threshold: INACTIVE_NS,
      max_ack_pending: 256,
    });
    const consumer = await this.#client.consumers.get(this.name, this.#own);
    this.#messages = await consumer.consume({ max_messages: 64, abort_on_missing_resource: true });
    const torn = new Parts();
    for await (const message of this.#messages) {
      const field = (name: string): string => message.headers?.get(name) ?? "";
      // Handed over at most once: a vector is added once or not at all, and a sum that misses one is of no use to anyone.
      message.ack();
      const whole = torn.take({
        group: field("group"),
        kind: field("kind") as WorkKind,
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
   * Sends a message to a process, and resolves when the stream has it. A part that is sent again is dropped by the stream.
   *
   * @throws Error when the message server cannot be reached
   */
  async send(
    to: string,
    message: { readonly group: string; readonly kind: WorkKind; readonly number?: number; readonly bytes: Uint8Array },
    seal: GroupSeal,
  ): Promise<void> {
    const { group, kind, number = 0, bytes } = message;
    const parts = Math.max(Math.ceil(bytes.length / PART_BYTES), 1);
    const acknowledged: Promise<unknown>[] = [];
    for (let part = 0; part < parts; part++) {
      const fields = headers();
      for (const [name, value] of Object.entries({ group, kind, number, part, parts, from: this.#own })) {
        fields.set(name, String(value));
      }
      const sealed = seal.seal(
        partContext({ kind, number }, part, parts),
        bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES),
      );
      const id = `${group} ${kind} ${number} ${part}`;
      acknowledged.push(this.#client.publish(this.#subject(to), sealed, { headers: fields, msgID: id }));
    }
    await Promise.all(acknowledged);
  }

  async close(): Promise<void> {
    await this.#messages?.close();
  }

  #subject(process: string): string {
    return `fedloop.${this.#prefix}.work.${process}`;
  }
}
