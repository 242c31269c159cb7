import { createHash } from "node:crypto";
import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import type { RandomSource } from "@fedloop/privacy";
import {
  type Receipt,
  SecAggError,
  type SecAggErrorCode,
  type SecAggParameters,
  type SignatureVerifier,
  splitIntoGroups,
  type UnmaskEngine,
} from "@fedloop/privacy/secagg";
import { CoordinatorError, type CoordinatorErrorCode } from "../errors.js";
import type { AssignGroup } from "../messaging/remote-group.js";
import type { Device } from "../registry/device.js";
import type { CollectedGroups, CollectedSum } from "./aggregator.js";
import type { Member } from "./cohort.js";
import { SECURE_STEPS, SecureGroup, type SecureStep } from "./secure-group.js";

export interface SecureRoundOptions {
  readonly parameters: SecAggParameters;
  /** Members that a group should have. */
  readonly groupTarget: number;
  readonly verifier: SignatureVerifier;
  readonly random: RandomSource;
  readonly engine: UnmaskEngine;
  /** Gives a group's sum to another process; all are this one's unless given. */
  readonly assign?: AssignGroup | undefined;
}

/** Where all groups together stand when a step has ended. */
export interface SecureStanding {
  /** Members whose vectors are, or can still come, into the sum. */
  readonly members: number;
  /** Of these, the ones that the next step waits for. */
  readonly expected: number;
  /** Whether members were lost to something else than too few answers. */
  readonly isBroken: boolean;
}

/** What unmasking gives. */
export interface UnmaskedSum {
  /** Σ over the groups that could be unmasked, or the sum of each. */
  readonly collected: CollectedSum | CollectedGroups;
  /** Members whose vectors are in it. */
  readonly members: number;
  /** Whether a group was lost to a member whose shares give another secret than it committed to, or with its aggregator. */
  readonly isInconsistent: boolean;
}

/** Groups that are unmasked at a time: while one's masks are computed, the next one's work is split. */
const UNMASKING = 2;

/**
 * Secure aggregation for one round: the cohort split at random into groups, each of which runs the protocol by itself.
 * The groups' sums are added; a group that loses too many members is left out and costs its own members only.
 */
export class SecureRound implements Disposable {
  readonly #options: SecureRoundOptions;
  readonly #groups: SecureGroup[] = [];
  readonly #groupOf = new Map<string, SecureGroup>();
  readonly #gone = new Set<string>();
  readonly #cancelling = new AbortController();

  constructor(options: SecureRoundOptions) {
    this.#options = options;
  }

  /** Splits the cohort. */
  begin(members: readonly Member[]): void {
    const { parameters, groupTarget, verifier, random } = this.#options;
    const sizes = { target: groupTarget, minimum: parameters.minimumMembers };
    for (const positions of splitIntoGroups(members.length, sizes, random)) {
      const group = new SecureGroup(parameters, verifier, this.#options.assign);
      this.#groups.push(group);
      for (const position of positions) {
        const member = members[position];
        if (member !== undefined) this.#groupOf.set(member.device.id, group);
      }
    }
  }

  /** How many groups there are. */
  get groups(): number {
    return this.#groups.length;
  }

  /** @throws CoordinatorError NOT_IN_ROUND also for a member of a group that is left out */
  groupOf(device: Device): SecureGroup {
    const group = this.#groupOf.get(device.id);
    if (group === undefined || group.isLeftOut) {
      throw new CoordinatorError(
        "NOT_IN_ROUND",
        "expected a member of a group of the round; check in for the next one",
      );
    }
    return group;
  }

  hasAnswered(device: Device, step: SecureStep): boolean {
    return this.#groupOf.get(device.id)?.answered(step).has(device.id) ?? false;
  }

  /** Whether a device's vector can come, or is, in the sum. */
  includes(device: Device): boolean {
    return this.#groupOf.get(device.id)?.isLeftOut === false;
  }

  /** Whether a step waits for a device: it has answered the step before, and is still there. */
  expects(device: Device, step: SecureStep): boolean {
    if (!this.includes(device) || this.#gone.has(device.id) || this.hasAnswered(device, step)) return false;
    const before = SECURE_STEPS[SECURE_STEPS.indexOf(step) - 1];
    return before === undefined || this.hasAnswered(device, before);
  }

  /** Nothing is expected of this device any more. */
  leave(device: Device): void {
    this.#gone.add(device.id);
  }

  /** Whether every group has enough shares of every secret. */
  get isSufficient(): boolean {
    return this.#groups.every((group) => group.isSufficient);
  }

  /** SHA-256 of the mask key that a device advertised, for the ledger's cohort list. */
  maskKeyDigest(device: Device): Uint8Array | undefined {
    const key = this.#groupOf.get(device.id)?.maskPublicKey(device);
    return key === undefined ? undefined : createHash("sha256").update(key).digest();
  }

  /** Ends a step in all groups, one after the other, so that the server goes on answering. */
  async close(step: SecureStep): Promise<SecureStanding> {
    for (const group of this.#groups) {
      group.close(this.#options.random);
      await yieldToEventLoop();
    }
    return { members: this.#count(inSum(step)), expected: this.#count(step, this.#gone), isBroken: false };
  }

  /**
   * Unmasks the groups' sums, and adds them up.
   *
   * @param apart leave each group's sum by itself
   * @throws SecAggError CANCELLED, WORKER_FAILED
   */
  async finish(apart = false): Promise<UnmaskedSum> {
    const values = new Float64Array(apart ? 0 : this.#options.parameters.length);
    const groups: Float64Array[] = [];
    const waiting = [...this.#groups];
    const unmask = async (): Promise<void> => {
      for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
        const outcome = await group.finish(this.#options.engine, this.#cancelling.signal);
        if (outcome === undefined) continue;
        // What ended the masks has taken its share of this turn.
        await yieldToEventLoop();
        const { sum } = outcome;
        if (apart) groups.push(Float64Array.from(sum));
        else for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) + (sum[i] ?? 0);
        sum.fill(0);
        await yieldToEventLoop();
      }
    };
    await Promise.all(Array.from({ length: UNMASKING }, unmask));
    const isInconsistent = this.#groups.some((group) => group.isInconsistent || group.isLost);
    return { collected: apart ? { groups } : { values }, members: this.#count("masked"), isInconsistent };
  }

  [Symbol.dispose](): void {
    this.#cancelling.abort();
    for (const group of this.#groups) group[Symbol.dispose]();
  }

  #count(step: SecureStep, without: ReadonlySet<string> = new Set()): number {
    let count = 0;
    for (const group of this.#groups) {
      if (group.isLeftOut) continue;
      for (const id of group.answered(step)) if (!without.has(id)) count += 1;
    }
    return count;
  }
}

/** Who answered this step is in the sum, or may come into it, when `step` has ended. */
function inSum(step: SecureStep): SecureStep {
  return SECURE_STEPS.indexOf(step) > SECURE_STEPS.indexOf("masked") ? "masked" : step;
}

const CODES: Partial<Record<SecAggErrorCode, CoordinatorErrorCode>> = {
  BAD_SIGNATURE: "BAD_SIGNATURE",
  CONFLICT: "CONFLICT",
  UNKNOWN_MEMBER: "NOT_IN_ROUND",
  WRONG_LENGTH: "WRONG_LENGTH",
  WRONG_STATE: "WRONG_STATE",
};

/**
 * Takes a device's message, in the coordinator's own words.
 *
 * @throws CoordinatorError BAD_SIGNATURE, CONFLICT, NOT_IN_ROUND, WRONG_LENGTH, WRONG_STATE, BAD_REQUEST
 */
export async function takeSecurely(take: () => Promise<Receipt> | Receipt): Promise<Receipt> {
  try {
    return await take();
  } catch (cause) {
    throw asCoordinatorError(cause);
  }
}

/** An error of the protocol as the caller is told it; any other as it is. */
export function asCoordinatorError(cause: unknown): unknown {
  if (!(cause instanceof SecAggError)) return cause;
  return new CoordinatorError(CODES[cause.code] ?? "BAD_REQUEST", `secure aggregation: ${cause.message}`, { cause });
}
