// The rounds of a test coordinator, one after the other, over its real log.
import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type ConsentView,
  encodeBase64Url,
  entryLeafHash,
  joinMessage,
  parseEntry,
  type RoundPlan,
  sha256Text,
} from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import { type CheckInRequest, RoundState, Rounds, WaitReason } from "@fedloop/proto";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Device } from "./known-devices.js";
import type { Lies, OfferMessage } from "./lies.js";
import { POPULATION, planOf, type TestRound } from "./plans.js";
import type { TestLog, TestReceipt } from "./test-log.js";
import type { TestUploads } from "./test-uploads.js";
import { Told } from "./told.js";

interface Current {
  readonly number: number;
  readonly plan: RoundPlan;
  readonly planIndex: number;
  readonly planLeafHash: string;
  readonly joined: Map<string, string>;
  readonly submitted: Map<string, Uint8Array>;
  state: RoundState;
}

export interface TestRoundsOptions {
  readonly log: TestLog;
  readonly view: ConsentView;
  readonly lies: Lies;
  readonly uploads: TestUploads;
  readonly rounds: readonly TestRound[];
  /** Devices in a round's cohort. */
  readonly target: number;
  /** Cap of ε in plans. */
  readonly cap: string;
  /** What a plan says at the moment that it is made. */
  readonly now: () => { readonly policy: number; readonly model: Uint8Array };
}

export class TestRounds {
  readonly left: { round: number; reason: string }[] = [];
  /** The updates of each round, by subject. */
  readonly updates: Map<number, Map<string, Uint8Array>> = new Map();
  readonly #options: TestRoundsOptions;
  readonly #verifier = nodeVerifier();
  readonly #watchers = new Set<ServerWritableStream<Message, Message>>();
  readonly #rounds: TestRound[];
  #number = 0;
  #current: Current | undefined;
  #opening: Promise<boolean> | undefined;

  constructor(options: TestRoundsOptions) {
    this.#options = options;
    this.#rounds = [...options.rounds];
  }

  /** Adds rounds to those still to come. */
  plan(...rounds: readonly TestRound[]): void {
    this.#rounds.push(...rounds);
  }

  /** Gives the next round's number to something else. */
  takeNumber(): number {
    this.#number += 1;
    return this.#number;
  }

  /** Forgets the cohort and who watches, as a process that was killed. */
  forget(): void {
    this.#watchers.clear();
    this.#current?.joined.clear();
  }

  /** By which entry a plan's round was closed. */
  async closeOf(plan: Uint8Array): Promise<TestReceipt> {
    const { log } = this.#options;
    const name = encodeBase64Url(plan);
    const index = log.entries.findIndex((bytes) => {
      const entry = parseEntry(bytes);
      return entry.type === "round.close" && entry.body.plan === name;
    });
    if (index < 0) throw new Told("NOT_FOUND");
    return log.receipt(index);
  }

  async checkIn(
    request: CheckInRequest,
    device: Device,
  ): Promise<MessageInitShape<typeof Rounds.method.checkIn.output>> {
    const wait = (reason: WaitReason) => ({ outcome: { case: "wait" as const, value: this.#wait(reason) } });
    if (this.#current === undefined) {
      this.#opening ??= this.#openNext().finally(() => {
        this.#opening = undefined;
      });
      if (!(await this.#opening)) return wait(WaitReason.FINISHED);
    }
    const current = this.#current;
    if (current === undefined) throw new Told("RETRY");
    const joined = () => ({
      outcome: { case: "joined" as const, value: { round: BigInt(current.number), state: current.state } },
    });
    if (current.joined.has(device.subject)) return joined();
    if (current.state !== RoundState.SELECTING) return wait(WaitReason.FULL);
    const { index } = this.#options.view.status(device.subject, current.plan.purpose);
    if (request.join === undefined) {
      const known = Number(request.knownTreeSize);
      if (known > this.#options.log.tree.size) throw new Told("OUT_OF_RANGE");
      const offer: OfferMessage = {
        round: BigInt(current.number),
        plan: await this.#options.log.receipt(current.planIndex),
        consistency: this.#options.log.consistency(known, this.#options.log.tree.size),
        consentIndex: BigInt(Math.max(index, 0)),
      };
      return { outcome: { case: "offer" as const, value: (await this.#options.lies.offer?.(offer, known)) ?? offer } };
    }
    const { round, plan, signature } = request.join;
    const { number, planLeafHash } = current;
    if (Number(round) !== number || encodeBase64Url(plan) !== planLeafHash) throw new Told("STALE_OFFER");
    const claim = {
      log: this.#options.log.origin,
      plan: planLeafHash,
      population: POPULATION,
      round: number,
      subject: device.subject,
    };
    if (!this.#verifier.verify(device.publicKey, joinMessage(claim), signature)) throw new Told("BAD_SIGNATURE");
    current.joined.set(device.subject, encodeBase64Url(signature));
    if (current.joined.size >= this.#options.target) this.#enter(RoundState.MASKED);
    return joined();
  }

  async #openNext(): Promise<boolean> {
    const next = this.#rounds.shift();
    if (next !== undefined) await this.#open(next);
    return next !== undefined;
  }

  async #open(round: TestRound): Promise<void> {
    this.#number += 1;
    const { log, cap, now } = this.#options;
    const plan = planOf(round, { number: this.#number, ...now(), consentTreeSize: log.tree.size, cap });
    const { index, entry } = await this.#options.log.publish("round.plan", plan, this.#options.lies.planSigner);
    this.#options.view.apply(index, entry);
    this.#current = {
      number: this.#number,
      plan,
      planIndex: index,
      planLeafHash: entryLeafHash(entry),
      joined: new Map(),
      submitted: new Map(),
      state: RoundState.SELECTING,
    };
    this.updates.set(this.#number, this.#current.submitted);
    this.#enter(RoundState.SELECTING);
  }

  #enter(state: RoundState): void {
    if (this.#current === undefined) return;
    this.#current.state = state;
    for (const call of this.#watchers) call.write(this.#event());
  }

  #event(reason = ""): Message {
    const state = this.#current?.state ?? RoundState.CLOSED;
    const isOver = state === RoundState.CLOSED || state === RoundState.ABANDONED;
    return create(Rounds.method.watch.output, {
      round: BigInt(this.#number),
      state,
      reason,
      ...(isOver ? { next: this.#wait(this.#rounds.length > 0 ? WaitReason.NO_ROUND : WaitReason.FINISHED) } : {}),
    });
  }

  async end(outcome: "completed" | "abandoned", reason: string | null): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const completed = outcome === "completed";
    const { index, entry } = await this.#options.log.publish("round.close", {
      population: POPULATION,
      round: current.number,
      plan: current.planLeafHash,
      outcome,
      reason,
      cohort: completed ? { size: current.submitted.size, blob: null } : null,
      aggregate: completed ? sha256Text(new Uint8Array(1)) : null,
      modelOut: null,
    });
    this.#options.view.apply(index, entry);
    current.state = completed ? RoundState.CLOSED : RoundState.ABANDONED;
    const event = this.#event(reason ?? "");
    this.#current = undefined;
    for (const call of this.#watchers) call.write(event);
  }

  async submit(
    request: { round: bigint; inlineUpdate: Uint8Array; chunksSha256: Uint8Array },
    device: Device,
  ): Promise<{ accepted: true }> {
    const current = this.#current;
    if (current?.number !== Number(request.round) || !current.joined.has(device.subject))
      throw new Told("NOT_IN_ROUND");
    const update =
      request.inlineUpdate.length > 0
        ? request.inlineUpdate
        : this.#options.uploads.assemble(device.id, request.chunksSha256);
    current.submitted.set(device.subject, update.slice());
    if (current.submitted.size >= current.joined.size) await this.end("completed", null);
    return { accepted: true };
  }

  leave(round: number, reason: string, device: Device): Record<string, never> {
    this.left.push({ round, reason });
    this.#current?.joined.delete(device.subject);
    return {};
  }

  watch(call: ServerWritableStream<Message, Message>): void {
    this.#watchers.add(call);
    call.on("cancelled", () => this.#watchers.delete(call));
    call.write(this.#number > 0 ? this.#event() : create(Rounds.method.watch.output, {}));
  }

  #wait(reason: WaitReason) {
    return { returnAfterMs: 10, returnBeforeMs: 20, reason };
  }
}
