import { setTimeout as wait } from "node:timers/promises";
import { type MaskAccumulator, maskAccumulator, type UnmaskEngine } from "@fedloop/privacy/secagg";
import type { NatsConnection } from "@nats-io/transport-node";
import { groupSumBytes, parseGroupShape } from "./group-messages.js";
import { DRAINING } from "./presence.js";
import { GroupSeal } from "./seal.js";
import { parseUnmaskText } from "./unmask-text.js";
import { contentsOf, type WorkMessage, WorkStream } from "./work-stream.js";

/** An aggregator says so often that it is there, milliseconds. */
export const PRESENT_MS = 500;
/** One that can receive nothing for so long says no more that it is there: nothing would come of its groups. Milliseconds. */
const DEAF_MS = 10_000;
/** A group of which nothing more is heard is dropped, milliseconds. */
const FORGOTTEN_MS = 15 * 60_000;

export interface AggregatorOptions {
  readonly connection: NatsConnection;
  /** The log's name. */
  readonly origin: string;
  /** This process, by a name that no other one has. */
  readonly name: string;
  /** What coordinators and aggregators share, 32 bytes. */
  readonly secret: Uint8Array;
  /** Takes the masks out. */
  readonly engine: UnmaskEngine;
  readonly onFault: (where: string, cause: unknown) => void;
}

interface Group {
  readonly sum: MaskAccumulator;
  readonly vectors: Set<number>;
  readonly seal: GroupSeal;
  heardMs: number;
}

/**
 * Sums the masked vectors of groups and takes their masks out. All of it is in memory: when the process ends, its groups are
 * lost, and the rounds go on without them. A group's sum leaves it only when it has as many vectors as the leader has counted.
 */
export class AggregatorProcess implements AsyncDisposable {
  readonly #options: AggregatorOptions;
  readonly #stream: WorkStream;
  readonly #groups = new Map<string, Group>();
  readonly #telling: NodeJS.Timeout;
  #receiving: Promise<void> = Promise.resolve();
  #isClosed = false;
  #isDraining = false;
  #onTaken: () => void = () => undefined;

  private constructor(options: AggregatorOptions, stream: WorkStream) {
    this.#options = options;
    this.#stream = stream;
    this.#telling = setInterval(() => this.#tell(), PRESENT_MS);
  }

  static async open(options: AggregatorOptions): Promise<AggregatorProcess> {
    const stream = await WorkStream.open(options.connection, options.origin, options.name);
    const aggregator = new AggregatorProcess(options, stream);
    aggregator.#receiving = aggregator.#receive();
    aggregator.#tell();
    return aggregator;
  }

  /** Groups whose sums are being collected. */
  get groups(): number {
    return this.#groups.size;
  }

  /**
   * Says that it takes no more groups, and waits for the sums of those that it has.
   *
   * @param deadlineMs after which it waits no longer: their rounds go on without them
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true;
    this.#tell();
    // A leader may have given it a group before it heard of that.
    await wait(PRESENT_MS);
    if (this.#groups.size === 0) return;
    const deadline = new AbortController();
    const without = new Promise<void>((resolve) => {
      this.#onTaken = () => {
        if (this.#groups.size === 0) resolve();
      };
    });
    await Promise.race([without, wait(deadlineMs, undefined, { signal: deadline.signal }).catch(() => undefined)]);
    deadline.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#telling);
    await this.#stream.close();
    await this.#receiving;
    for (const id of [...this.#groups.keys()]) this.#drop(id);
  }

  #tell(): void {
    const { connection, name } = this.#options;
    if (!connection.isClosed() && this.#stream.deafMs < DEAF_MS)
      connection.publish(this.#stream.presence, this.#isDraining ? `${name}${DRAINING}` : name);
    const now = performance.now();
    for (const [id, { heardMs }] of this.#groups) if (now - heardMs > FORGOTTEN_MS) this.#drop(id);
  }

  async #receive(): Promise<void> {
    while (!this.#isClosed) {
      try {
        for await (const message of this.#stream.receive()) {
          await this.#take(message);
          this.#onTaken();
        }
      } catch (cause) {
        if (this.#isClosed) return;
        this.#options.onFault("receiving work", cause);
        await new Promise((resolve) => setTimeout(resolve, PRESENT_MS));
      }
    }
  }

  async #take(message: WorkMessage): Promise<void> {
    const { group: id, kind } = message;
    try {
      const group = this.#groups.get(id);
      if (group !== undefined) group.heardMs = performance.now();
      if (kind === "open") this.#begin(message);
      else if (kind === "vector" && group !== undefined) this.#add(group, message);
      else if (kind === "finish") await this.#finish(message);
      // One thing after the other: what would have been answered is by now.
      else if (kind === "ask") await this.#lost(message);
      else if (kind === "drop") this.#drop(id);
    } catch (cause) {
      this.#options.onFault(`a group's ${kind}`, cause);
      await this.#lost(message);
    }
  }

  #begin(message: WorkMessage): void {
    if (this.#groups.has(message.group)) return;
    const seal = new GroupSeal(this.#options.secret, message.group);
    const { length, bits } = parseGroupShape(contentsOf(message, seal));
    const sum = maskAccumulator(length, bits);
    this.#groups.set(message.group, { sum, vectors: new Set(), seal, heardMs: performance.now() });
  }

  #add(group: Group, message: WorkMessage): void {
    if (group.vectors.has(message.number)) return;
    group.sum.addPacked(contentsOf(message, group.seal));
    group.vectors.add(message.number);
  }

  async #finish(message: WorkMessage): Promise<void> {
    const group = this.#groups.get(message.group);
    if (group === undefined) return this.#lost(message);
    this.#groups.delete(message.group);
    try {
      const work = parseUnmaskText(contentsOf(message, group.seal));
      // One self mask is taken out for each vector that the leader has counted: a sum of fewer is none that was agreed to.
      const counted = work.tasks.filter(({ type }) => type === "self-mask").length;
      if (counted !== group.vectors.size) {
        return await this.#lost(message);
      }
      const { correction, inconsistent } = await this.#options.engine.run(work);
      group.sum.addValues(correction);
      const bytes = groupSumBytes(inconsistent, inconsistent.length > 0 ? new Uint32Array(0) : group.sum.finish());
      await this.#stream.send(message.from, { group: message.group, kind: "sum", bytes }, group.seal);
    } finally {
      group.sum.close();
    }
  }

  async #lost({ group, from }: WorkMessage): Promise<void> {
    this.#drop(group);
    const seal = new GroupSeal(this.#options.secret, group);
    await this.#stream
      .send(from, { group, kind: "lost", bytes: new Uint8Array(0) }, seal)
      .catch((cause: unknown) => this.#options.onFault("telling of a lost group", cause));
  }

  #drop(id: string): void {
    this.#groups.get(id)?.sum.close();
    this.#groups.delete(id);
  }
}
