// The round under way, with what decides who may join it.
import { type SignatureVerifier, secureParametersOf } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import type { UnmaskEngine } from "@fedloop/privacy/secagg";
import { CoordinatorError } from "../errors.js";
import type { AssignGroup } from "../messaging/remote-group.js";
import type { Device } from "../registry/device.js";
import type { Eligible } from "./eligibility.js";
import type { RoundEngine } from "./engine.js";
import type { RunPosition } from "./noise-run.js";
import type { RoundSpec } from "./round-spec.js";
import type { PopulationRoundWork } from "./round-work.js";
import { SecureRound } from "./secure-round.js";

export interface CurrentRound {
  readonly engine: RoundEngine;
  readonly work: PopulationRoundWork;
  readonly spec: RoundSpec;
  readonly position: RunPosition | null;
  /** Whom it takes; undefined until it selects. */
  eligible: Eligible | undefined;
  /** Participants of these that have left and not come back: they are not waited for. */
  readonly declined: Set<string>;
  /** Participants who have withdrawn since it began: whatever the log said when it was read, they are not members. */
  readonly withdrawn: Set<string>;
}

/** What decides whom a round waits for. */
type Selecting = Pick<CurrentRound, "eligible" | "declined" | "withdrawn"> & {
  readonly engine: Pick<RoundEngine, "leave" | "expectAtMost">;
};

/** Whom the round takes, as the log had it a moment ago. */
export function selectFrom(current: Selecting, eligible: Eligible): void {
  const { engine, declined, withdrawn } = current;
  for (const subject of withdrawn) eligible.members.delete(subject);
  current.eligible = eligible;
  engine.expectAtMost(eligible.members.size - declined.size);
}

/** A device gives its place back, or will not join: it is no longer waited for, unless it comes back while the round selects. */
export function leaveRound(current: Selecting, device: Device): void {
  const { engine, eligible, declined } = current;
  engine.leave(device);
  if (eligible?.members.has(device.subject) !== true) return;
  declined.add(device.subject);
  engine.expectAtMost(eligible.members.size - declined.size);
}

/** A participant withdraws: nothing of it is used from here on, and it cannot come back. */
export function excludeFrom({ engine, eligible, declined, withdrawn }: Selecting, device: Device): void {
  engine.leave(device);
  withdrawn.add(device.subject);
  declined.delete(device.subject);
  if (eligible?.members.delete(device.subject) === true) engine.expectAtMost(eligible.members.size - declined.size);
}

export interface SecureSources {
  readonly verifier: SignatureVerifier;
  readonly random: RandomSource;
  /** What takes the masks out of sums. */
  readonly unmaskEngine: () => UnmaskEngine;
  /** Gives groups of secure aggregation to other processes; all are this one's work unless given. */
  readonly assignGroup?: AssignGroup | undefined;
}

/** Secure aggregation as the round's logged plan has it. */
export function secureRoundOf(
  { plan }: PopulationRoundWork,
  { verifier, random, unmaskEngine, assignGroup }: SecureSources,
): SecureRound {
  const groupTarget = plan?.body.secureAggregation.parameters?.groupTarget;
  if (plan === undefined || groupTarget === undefined) {
    throw new CoordinatorError("INTERNAL", "expected a logged plan with secure aggregation before its keys");
  }
  const parameters = secureParametersOf(plan.body, plan.hash);
  return new SecureRound({ parameters, groupTarget, verifier, random, engine: unmaskEngine(), assign: assignGroup });
}
