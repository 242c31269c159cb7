import { createHash } from "node:crypto";
import { SecAggError } from "@fedloop/privacy/secagg";
import { CoordinatorError } from "../errors.js";
import type { Device } from "../registry/device.js";
import { type Collected, UpdateCollection, UpdateSum, updateBytes } from "./aggregator.js";
import type { Cohort, Member } from "./cohort.js";
import type { RoundEngineOptions } from "./engine-options.js";
import type { SecureGroup, SecureStep } from "./secure-group.js";
import { asCoordinatorError, type SecureRound, type SecureStanding } from "./secure-round.js";
import type { RoundState } from "./states.js";
import { type Chunk, Uploads } from "./uploads.js";

/** An update as a device hands it in. */
export interface Submission {
  /** Empty when it was uploaded in chunks. */
  readonly inline: Uint8Array;
  readonly chunksSha256: Uint8Array;
}

/** The step whose answers are all in when a state is entered. */
const ENDED_STEP: Partial<Record<RoundState, SecureStep>> = {
  shares: "keys",
  masked: "shares",
  consistency: "masked",
  unmask: "consistency",
  aggregated: "unmask",
};

export type CollectionOptions = Pick<
  RoundEngineOptions,
  "round" | "format" | "family" | "clock" | "concurrentUploads" | "uploadBuffers" | "secure"
>;

/** Where a step of secure aggregation that has ended leaves the round. */
export interface EndedStep extends SecureStanding {
  readonly step: SecureStep;
}

/** What a round collects from its cohort: uploads under way, and the sum, masked or plain. In memory only. */
export class RoundCollection {
  readonly #options: CollectionOptions;
  readonly #cohort: Cohort;
  readonly #state: () => RoundState;
  readonly #uploads: Uploads;
  #collecting: UpdateSum | UpdateCollection | undefined;
  #secure: SecureRound | undefined;
  #sum: Collected | undefined;
  #isStopped = false;

  /** @param state the round's, at any time */
  constructor(options: CollectionOptions, cohort: Cohort, state: () => RoundState) {
    this.#options = options;
    this.#cohort = cohort;
    this.#state = state;
    this.#uploads = new Uploads(options.concurrentUploads, options.clock, options.uploadBuffers);
  }

  /** The round's secure aggregation, once it has begun. */
  get secure(): SecureRound | undefined {
    return this.#secure;
  }

  /** Begins to collect where a state is the first to do so. */
  enter(state: RoundState): void {
    const { family, format, secure } = this.#options;
    if (state === "keys") {
      this.#secure = secure?.();
      this.#secure?.begin([...this.#cohort.all()].filter((member) => member.state === "joined"));
    } else if (state === "masked" && secure === null) {
      this.#collecting = family === "per-update" ? new UpdateCollection(format) : new UpdateSum(format);
    }
  }

  /**
   * Gives a device one of the places for uploads, when there is one within `waitMs`.
   *
   * @returns where its upload begins, or goes on; its size when it is done
   * @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE, OUT_OF_RANGE, BUSY
   */
  async reservePlace(device: Device, totalBytes: number, waitMs: number, signal: AbortSignal): Promise<number> {
    const expected = updateBytes(this.#options.format);
    if (totalBytes !== expected) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected an upload of ${expected} bytes, came one of ${totalBytes}`);
    }
    const { clock } = this.#options;
    const untilMs = clock.now() + waitMs;
    for (let isLast = waitMs <= 0; ; ) {
      // The round may have gone on, or the device left it, while it waited.
      if (this.member(device).state === "submitted") return expected;
      this.#requireCollecting();
      const next = this.#uploads.reserve(device.id, expected);
      if (next !== undefined) return next;
      if (isLast) throw this.#uploads.busy();
      isLast = !(await this.#uploads.untilFree(device.id, untilMs - clock.now(), signal));
    }
  }

  /** @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE, OUT_OF_RANGE, BAD_DIGEST, CONFLICT, BUSY */
  placeChunk(device: Device, chunk: Chunk): number {
    const member = this.member(device);
    const expected = updateBytes(this.#options.format);
    if (member.state === "submitted") return expected;
    this.#requireCollecting();
    return this.#uploads.place(device.id, expected, chunk);
  }

  /**
   * Adds a device's update to the sum, once.
   *
   * @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE, INCOMPLETE_UPLOAD, BAD_DIGEST, CONFLICT, WRONG_LENGTH,
   * NORM_EXCEEDED, NON_FINITE; the sum is then as it was
   * @returns false where it was in the sum already
   */
  submit(device: Device, { inline, chunksSha256 }: Submission): boolean {
    const member = this.member(device);
    // The signature of the request covers the digest alone.
    if (inline.length > 0 && !chunksDigest(inline).equals(chunksSha256)) {
      throw new CoordinatorError("BAD_DIGEST", "expected the update that the submission names, came another one");
    }
    const name = Buffer.from(chunksSha256).toString("base64url");
    if (member.state === "submitted") {
      if (member.submitted === name) return false;
      throw new CoordinatorError("CONFLICT", "expected one update a round, this device's is in the sum already");
    }
    const add = this.#adder(device);
    if (inline.length > 0) add(inline);
    else this.#uploads.take(device.id, chunksSha256, add);
    member.state = "submitted";
    member.submitted = name;
    return true;
  }

  /** @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE without secure aggregation, RETRY before it begins */
  groupOf(device: Device): SecureGroup {
    this.member(device);
    if (this.#options.secure === null) {
      throw new CoordinatorError("WRONG_STATE", "expected a round with secure aggregation, this one collects without");
    }
    if (this.#secure === undefined) throw tooEarly();
    return this.#secure.groupOf(device);
  }

  /** @throws CoordinatorError NOT_IN_ROUND */
  member(device: Device): Member {
    const member = this.#cohort.get(device.id);
    if (member === undefined || member.state === "left") {
      throw new CoordinatorError(
        "NOT_IN_ROUND",
        `expected a device of round ${this.#options.round}'s cohort; check in first`,
      );
    }
    return member;
  }

  /** @throws CoordinatorError WRONG_STATE, RETRY */
  #requireCollecting(): void {
    if (this.#isStopped) throw goingDown();
    const state = this.#state();
    if (state === "configured" && this.#options.secure === null) throw tooEarly();
    if (state !== "masked") {
      throw new CoordinatorError("WRONG_STATE", `round ${this.#options.round} takes no updates now, it is ${state}`);
    }
    if (this.#collecting === undefined && this.#secure === undefined) throw tooEarly();
  }

  /** What adds a device's update, whose bytes are its own only until it returns. */
  #adder(device: Device): (bytes: Uint8Array) => void {
    this.#requireCollecting();
    const sum = this.#collecting;
    if (sum !== undefined) return (bytes) => sum.add(bytes);
    const group = this.groupOf(device);
    return (bytes) => {
      try {
        group.add(device, bytes);
      } catch (cause) {
        throw asCoordinatorError(cause);
      }
    };
  }

  /**
   * Ends the step of secure aggregation that comes before a state, in all groups; who is in none of them any more has
   * left the round.
   *
   * @returns undefined where no such step ends
   */
  async endStep(entered: RoundState): Promise<EndedStep | undefined> {
    const step = ENDED_STEP[entered];
    const secure = this.#secure;
    if (secure === undefined || step === undefined) return undefined;
    const standing = step === "unmask" ? await this.#unmask(secure) : await secure.close(step);
    for (const member of this.#cohort.all()) {
      if (!secure.includes(member.device)) member.state = "left";
    }
    return { step, ...standing };
  }

  async #unmask(secure: SecureRound): Promise<SecureStanding> {
    try {
      const { collected, members, isInconsistent } = await secure.finish(this.#options.family === "group-sum");
      this.#sum = collected;
      for (const member of this.#cohort.submitted()) member.maskKey = secure.maskKeyDigest(member.device) ?? null;
      return { members, expected: 0, isBroken: isInconsistent };
    } catch (cause) {
      if (!(cause instanceof SecAggError)) throw cause;
      return { members: 0, expected: 0, isBroken: true };
    }
  }

  /** All that was collected. */
  collected(): Collected {
    const sum = this.#sum ?? this.#collecting;
    if (sum === undefined) throw new CoordinatorError("INTERNAL", "expected a collected sum before its release");
    return sum;
  }

  /** A device's upload is not awaited any more. */
  drop(device: Device): void {
    this.#uploads.drop(device.id);
  }

  /** Those that wait for a place find out how the round stands. */
  release(): void {
    this.#uploads.release();
  }

  /** Uploads under way are not awaited any more. */
  clearUploads(): void {
    this.#uploads.clear();
  }

  /** Whoever still sends is told to come back. */
  stop(): void {
    this.#isStopped = true;
  }

  forget(): void {
    this.#sum = undefined;
    this.#collecting = undefined;
    this.#secure?.[Symbol.dispose]();
  }
}

/** As a submission names an update of one chunk. */
function chunksDigest(chunk: Uint8Array): Buffer {
  const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
  return sha256(sha256(chunk));
}

export function goingDown(): CoordinatorError {
  return new CoordinatorError("RETRY", "the coordinator is going down; come back", { retryAfterMs: 1_000 });
}

function tooEarly(): CoordinatorError {
  return new CoordinatorError("RETRY", "the round is about to collect", { retryAfterMs: 20 });
}
