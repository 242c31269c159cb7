import { randomUUID } from "node:crypto";
import type { MaskAccumulator, UnmaskEngine, UnmaskOutcome, UnmaskWork } from "@fedloop/privacy/secagg";
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import { PRESENT_MS } from "./aggregator-process.js";
import { groupShapeText, parseGroupSum } from "./group-messages.js";
import { Presence } from "./presence.js";
import { GroupLost, type RemoteGroup } from "./remote-group.js";
import { GroupSeal } from "./seal.js";
import { unmaskText } from "./unmask-text.js";
import { contentsOf, type WorkMessage, WorkStream } from "./work-stream.js";

/** An aggregator that was silent for so long is gone, milliseconds. */
const GONE_MS = 6 * PRESENT_MS;

/** Within this every aggregator that is there says so, milliseconds. */
const HEARD_MS = 1.2 * PRESENT_MS;

/** An aggregator that has not answered for a group for so long is asked whether it will, milliseconds. */
const ASK_MS = 10_000;

/** No group is waited for longer, milliseconds: the stream keeps nothing that is older. */
const ANSWER_MS = 15 * 60_000;

export interface AggregatorsOptions {
  readonly connection: NatsConnection;
  readonly origin: string;
  readonly secret: Uint8Array;
  /** An aggregator that has not answered for a group for so long is asked whether it will, milliseconds; 10 000 unless given. */
  readonly askMs?: number;
  readonly onFault: (where: string, cause: unknown) => void;
}

/** The aggregators that are there, as a coordinator uses them: each new group goes to the one that has the fewest. */
export class Aggregators implements AsyncDisposable {
  readonly #options: AggregatorsOptions;
  readonly #stream: WorkStream;
  readonly #aggregators = new Presence(GONE_MS);
  /** Groups at each one that has any. */
  readonly #load = new Map<string, number>();
  readonly #waiting = new Map<string, (message: WorkMessage) => void>();
  readonly #presence: Subscription;
  #receiving: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(options: AggregatorsOptions, stream: WorkStream) {
    this.#options = options;
    this.#stream = stream;
    this.#presence = options.connection.subscribe(stream.presence, {
      callback: (cause, message) => {
        if (cause === null) this.#aggregators.heard(message.string());
      },
    });
  }

  static async open(options: AggregatorsOptions): Promise<Aggregators> {
    const stream = await WorkStream.open(options.connection, options.origin, `leader-${randomUUID()}`);
    const aggregators = new Aggregators(options, stream);
    aggregators.#receiving = aggregators.#receive();
    // Until each that is there has said so: the first round's groups would else all go to those heard of by chance.
    await new Promise((resolve) => setTimeout(resolve, HEARD_MS));
    return aggregators;
  }

  /** Names of those that were heard of lately and take groups. */
  present(): string[] {
    return this.#aggregators.taking();
  }

  /**
   * Gives a group to an aggregator.
   *
   * @returns undefined where there is none: the group is then this process's own work
   */
  assign(parameters: { readonly length: number; readonly bits: number }): RemoteGroup | undefined {
    const [name] = this.present().sort((a, b) => (this.#load.get(a) ?? 0) - (this.#load.get(b) ?? 0));
    if (name === undefined) return undefined;
    this.#count(name, 1);
    const group = new AssignedGroup({
      name,
      parameters,
      stream: this.#stream,
      secret: this.#options.secret,
      isPresent: () => this.#aggregators.isThere(name),
      waiting: this.#waiting,
      askMs: this.#options.askMs ?? ASK_MS,
      onEnd: () => this.#count(name, -1),
    });
    return { sum: group, engine: group };
  }

  #count(name: string, more: number): void {
    const load = (this.#load.get(name) ?? 0) + more;
    if (load > 0) this.#load.set(name, load);
    else this.#load.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#presence.unsubscribe();
    await this.#stream.close();
    await this.#receiving;
  }

  async #receive(): Promise<void> {
    while (!this.#isClosed) {
      try {
        for await (const message of this.#stream.receive()) this.#waiting.get(message.group)?.(message);
      } catch (cause) {
        if (this.#isClosed) return;
        this.#options.onFault("receiving sums", cause);
        await new Promise((resolve) => setTimeout(resolve, PRESENT_MS));
      }
    }
  }
}

interface AssignedOptions {
  /** The aggregator. */
  readonly name: string;
  readonly parameters: { readonly length: number; readonly bits: number };
  readonly stream: WorkStream;
  readonly secret: Uint8Array;
  readonly isPresent: () => boolean;
  readonly waiting: Map<string, (message: WorkMessage) => void>;
  readonly askMs: number;
  readonly onEnd: () => void;
}

/** A group at an aggregator. In the protocol it stands where the sum and the engine stand that a process has of its own. */
class AssignedGroup implements MaskAccumulator, UnmaskEngine {
  readonly length: number;
  readonly bits: number;
  readonly #options: AssignedOptions;
  readonly #id = randomUUID();
  readonly #seal: GroupSeal;
  readonly #opened: Promise<void>;
  #sent: Promise<unknown>[] = [];
  #vectors = 0;
  #total: Uint32Array | undefined;
  #hasEnded = false;

  constructor(options: AssignedOptions) {
    this.#options = options;
    this.#seal = new GroupSeal(options.secret, this.#id);
    const { length, bits } = options.parameters;
    this.length = length;
    this.bits = bits;
    this.#opened = this.#send("open", groupShapeText({ length, bits }));
  }

  /** Numbered as they come: who they are of is the leader's to know. */
  addPacked(packed: Uint8Array): void {
    this.#send("vector", packed, this.#vectors++, this.#opened);
  }

  addStream(): never {
    throw new TypeError("expected masks to be taken out at the aggregator");
  }

  /** What the aggregator has summed and unmasked. */
  addValues(values: Int32Array | Uint32Array): void {
    this.#total = Uint32Array.from(values);
  }

  finish(): Uint32Array {
    const total = this.#total;
    if (total === undefined) throw new TypeError("expected the aggregator's sum before it is used");
    this.#total = undefined;
    return total;
  }

  finishPacked(): never {
    throw new TypeError("expected the sum of a group at an aggregator to be unpacked");
  }

  close(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#total?.fill(0);
    this.#options.onEnd();
    this.#send("drop", new Uint8Array(0), 0, this.#opened);
  }

  async run(work: UnmaskWork, signal?: AbortSignal): Promise<UnmaskOutcome> {
    const { waiting } = this.#options;
    const ending = new AbortController();
    const answered = new Promise<WorkMessage>((resolve) => waiting.set(this.#id, resolve));
    const inVain = this.#inVain(ending.signal, signal);
    try {
      const finished = this.#send("finish", unmaskText(work), 0, Promise.all(this.#sent));
      const refused = finished.then(() => answered);
      return outcomeOf(await Promise.race([answered, refused, inVain]), this.#seal, this.length);
    } catch (cause) {
      throw cause instanceof GroupLost ? cause : new GroupLost("a group's sum could not be had", { cause });
    } finally {
      ending.abort();
      waiting.delete(this.#id);
    }
  }

  /** Rejects when there is no more hope of an answer; asks for one now and then, which may be lost with the message server. */
  #inVain(ended: AbortSignal, signal: AbortSignal | undefined): Promise<never> {
    const { name, isPresent, askMs } = this.#options;
    return new Promise((_resolve, reject) => {
      const begunMs = performance.now();
      let misses = 0;
      let asked = 0;
      const watching = setInterval(() => {
        misses = isPresent() ? 0 : misses + 1;
        // Once may be a process that was itself held up: what it was sent meanwhile is still to be read.
        if (misses > 1) reject(new GroupLost(`the aggregator ${name} is gone, and its group with it`));
        const waitedMs = performance.now() - begunMs;
        if (waitedMs > ANSWER_MS) reject(new GroupLost(`the aggregator ${name} has not answered for its group`));
        if (waitedMs < (asked + 1) * askMs) return;
        asked += 1;
        this.#ask(asked);
      }, PRESENT_MS);
      const stop = (): void => reject(new GroupLost("the round was given up"));
      signal?.addEventListener("abort", stop, { once: true });
      if (signal?.aborted === true) stop();
      ended.addEventListener("abort", () => {
        clearInterval(watching);
        signal?.removeEventListener("abort", stop);
      });
    });
  }

  /** Once all that was to be finished is with the server: the question comes after it. */
  #ask(number: number): void {
    this.#send("ask", new Uint8Array(0), number, Promise.all(this.#sent));
  }

  #send(kind: "open" | "vector" | "finish" | "ask" | "drop", bytes: Uint8Array, number = 0, after?: Promise<unknown>) {
    const { name, stream } = this.#options;
    // The bytes are the caller's again when this returns: they are sealed, and so copied, before.
    const sent = stream.send(name, { group: this.#id, kind, number, bytes }, this.#seal, after);
    sent.catch(() => undefined);
    this.#sent.push(sent);
    return sent;
  }
}

function outcomeOf(message: WorkMessage, seal: GroupSeal, length: number): UnmaskOutcome {
  if (message.kind !== "sum") throw new GroupLost("the aggregator has not the vectors that were agreed to");
  return parseGroupSum(contentsOf(message, seal), length);
}
