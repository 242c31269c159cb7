// Whether to take part in an offered round. All that the coordinator could only promise is checked here against what
// it cannot change any more: the log, the participant's own consent, the device's own count of what it spent.
import {
  decodeBase64Url,
  type EntryOf,
  entryLeafHash,
  parseEpsilon,
  type RoundPlan,
  readPlanEntry,
  type SignatureVerifier,
  verifyEntrySignature,
} from "@fedloop/consent";
import { type DpEvent, decimalDpEvent } from "@fedloop/privacy";
import type { SecAggParameters } from "@fedloop/privacy/secagg";
import type { Offer } from "@fedloop/proto";
import { asClientError, ClientError, type GuardCode, isGuardCode } from "../errors.js";
import type { DeviceState, KnownPolicy, OwnConsent } from "../identity/device-state.js";
import { isPrivate, type RunStep, spentEpsilon, unitOf } from "./budget.js";
import type { PrivacyFloors, TransferLimits } from "./floors.js";
import { checkPrivacy, type PlanPrivacy } from "./privacy.js";
import {
  type ForkClaim,
  ForkError,
  type LoggedEntry,
  openReceipt,
  requireExtension,
  type SeenCheckpoint,
} from "./receipt.js";
import { checkSecureAggregation } from "./secure-aggregation.js";

/** A plan that the device has verified: all that a round's work may depend on. */
export interface VerifiedPlan extends PlanPrivacy {
  readonly round: number;
  /** base64url. */
  readonly leafHash: string;
  readonly index: number;
  readonly body: RoundPlan;
  /** Its place in a run, where its noise is correlated with that of other rounds. */
  readonly run: RunStep | null;
  /** What its masks are made by; null for a round without secure aggregation. */
  readonly secure: SecAggParameters | null;
}

/** What the device knows by itself and holds an offer against. */
export interface GuardContext {
  readonly state: DeviceState;
  readonly floors: PrivacyFloors;
  readonly limits: TransferLimits;
  /** `id` of the app's trainer. */
  readonly trainerId: string;
  /** Whether that trainer answers queries, too. */
  readonly answersQueries?: boolean;
  /** Whether that trainer can train with a guarantee for each example. */
  readonly isExampleLevel?: boolean;
  /** Whether the app gave the cryptography that secure aggregation takes. */
  readonly isAbleToAggregate?: boolean;
  readonly verifier: SignatureVerifier;
  /** By the coordinator's clock as far as it is known, milliseconds since the epoch. */
  readonly nowMs: number;
}

export type Verdict =
  | { readonly ok: true; readonly plan: VerifiedPlan; readonly checkpoint: SeenCheckpoint }
  | {
      readonly ok: false;
      readonly code: GuardCode;
      readonly message: string;
      /** With GUARD_FORK. */
      readonly fork: ForkClaim | null;
      /** The log's newer checkpoint, where that itself was sound. */
      readonly checkpoint: SeenCheckpoint | null;
    };

function refuse(code: GuardCode, message: string): never {
  throw new ClientError(code, message);
}

function requirePolicy(state: DeviceState): KnownPolicy {
  return state.policy ?? refuse("GUARD_POLICY", "expected a policy that was consented to, there is none; join first");
}

function checkConsent(plan: RoundPlan, offer: Offer, { state, nowMs }: GuardContext): OwnConsent {
  const consent = Object.hasOwn(state.consents, plan.purpose) ? state.consents[plan.purpose] : undefined;
  if (consent === undefined || consent.state === "refused") {
    return refuse("GUARD_NO_CONSENT", `expected a round for a purpose consented to, came "${plan.purpose}"`);
  }
  if (consent.state === "withdrawn") return refuse("GUARD_WITHDRAWN", `consent to "${plan.purpose}" is withdrawn`);
  if (consent.validUntil !== null && consent.validUntil <= nowMs) {
    return refuse("GUARD_CONSENT_EXPIRED", `consent to "${plan.purpose}" has expired; ask the participant again`);
  }
  if (consent.index === null || BigInt(consent.index) !== offer.consentIndex) {
    return refuse(
      "GUARD_CONSENT_MISMATCH",
      `expected the coordinator to rely on this device's consent at ${consent.index}, it relies on ${offer.consentIndex}`,
    );
  }
  if (consent.index >= plan.consentTreeSize) {
    return refuse(
      "GUARD_CONSENT_MISMATCH",
      "expected a plan that was made after this device's consent, came an older one",
    );
  }
  const policy = requirePolicy(state);
  if (plan.policy !== consent.policy || plan.policy !== policy.version) {
    return refuse("GUARD_POLICY", `expected a round under policy ${consent.policy}, came one under ${plan.policy}`);
  }
  return consent;
}

/** The population's claim must stay within what it published. */
function checkPopulationBudget(plan: RoundPlan, policy: KnownPolicy): void {
  const reserved = parseEpsilon(plan.reservation.epsilon);
  const cap = parseEpsilon(plan.reservation.cap);
  const published = parseEpsilon(policy.limits.epsilon);
  if (reserved <= cap && cap <= published && Number(plan.reservation.delta) <= Number(policy.limits.delta)) return;
  refuse(
    "GUARD_POPULATION_BUDGET",
    `expected a reservation within the published budget of ${policy.limits.epsilon}, came ${plan.reservation.epsilon}`,
  );
}

/** That the device's own steps of a run are as rare and as far apart as the run's event says. */
function checkRun(run: RunStep | null, event: DpEvent, { charges }: DeviceState): void {
  if (run === null || !("minSeparation" in event)) return;
  const steps = charges.flatMap((charge) => (charge.run?.id === run.id ? [charge.run.step] : []));
  if (steps.length >= event.maxParticipations) {
    refuse("GUARD_BUDGET", `expected at most ${event.maxParticipations} steps of the run, this would be one more`);
  }
  const nearest = Math.min(...steps.map((step) => Math.abs(run.step - step)));
  if (nearest < event.minSeparation) {
    refuse(
      "GUARD_BUDGET",
      `expected ${event.minSeparation} steps of the run between two of this device's, came ${nearest}`,
    );
  }
}

/** A run goes on with the event it was opened with: the one that the device has counted. */
function isCounted(run: RunStep | null, event: DpEvent, { charges }: DeviceState): boolean {
  const known = charges.find((charge) => run !== null && charge.run?.id === run.id);
  if (known === undefined) return false;
  if (known.event === JSON.stringify(decimalDpEvent(event))) return true;
  return refuse("GUARD_EVENT_MISMATCH", "expected a run to go on with the event it was opened with, came another");
}

/** The participant's own limits, counted by the device itself. */
function checkOwnBudget(
  plan: RoundPlan,
  { event: planned, run }: { readonly event: DpEvent; readonly run: RunStep | null },
  consent: OwnConsent,
  { state, floors }: GuardContext,
): void {
  const policy = requirePolicy(state);
  const { charges } = state;
  if (charges.length > 0 && unitOf(charges) !== plan.privacy.unit) {
    refuse(
      "GUARD_UNIT",
      `expected ε for each ${unitOf(charges)}, as counted so far, came one for each ${plan.privacy.unit}`,
    );
  }
  checkRun(run, planned, state);
  const event: DpEvent = isCounted(run, planned, state) ? { type: "NoOp" } : planned;
  if (consent.limits.rounds !== null && charges.length >= consent.limits.rounds) {
    refuse("GUARD_BUDGET", `expected at most ${consent.limits.rounds} rounds, this would be one more`);
  }
  const allowed = parseEpsilon(consent.limits.epsilon ?? policy.limits.epsilon);
  const named = Number(consent.limits.delta ?? policy.limits.delta);
  const delta = named > 0 ? named : floors.delta;
  if (Number.isFinite(allowed)) {
    const after = spentEpsilon(charges, delta, event);
    if (!(after <= allowed))
      refuse("GUARD_BUDGET", `expected ε of at most ${allowed}, it would be ${after} after this round`);
  }
  if (event.type === "NonPrivate") return; // the app's floor has allowed it by name
  const after = spentEpsilon(charges.filter(isPrivate), floors.delta, event);
  if (!(after <= floors.maximumEpsilon)) {
    refuse("GUARD_BUDGET", `expected ε of at most ${floors.maximumEpsilon}, it would be ${after} after this round`);
  }
}

function checkSize(plan: RoundPlan, limits: TransferLimits): void {
  const { model, update } = plan;
  if (model.bytes > limits.modelBytes || 4 * model.parameters > model.bytes) {
    refuse("GUARD_TOO_LARGE", `expected a model of at most ${limits.modelBytes} bytes, came one of ${model.bytes}`);
  }
  if (update.length > limits.updateLength) {
    refuse("GUARD_TOO_LARGE", `expected an update of at most ${limits.updateLength} numbers, came ${update.length}`);
  }
}

/** That the plan is the operator's, and the one that is offered. */
async function checkPlanEntry(
  { entry, index }: LoggedEntry<EntryOf<"round.plan">>,
  round: bigint,
  { state, verifier }: GuardContext,
): Promise<void> {
  const operatorKey = decodeBase64Url(requirePolicy(state).operatorKey);
  if (!(await verifyEntrySignature(entry, operatorKey, verifier))) {
    refuse("GUARD_PLAN_SIGNATURE", "expected a plan signed by the operator's pinned key, it does not verify");
  }
  if (entry.body.population !== state.population || BigInt(entry.body.round) !== round) {
    refuse("GUARD_BAD_PLAN", `expected round ${round} of ${state.population}, came another`);
  }
  if (entry.body.consentTreeSize > index) {
    refuse("GUARD_BAD_PLAN", "expected a plan that looks back on the log, came one that looks ahead");
  }
}

/**
 * Verifies an offer. The same offer and context give the same verdict; nothing is changed.
 *
 * The checkpoint of a verdict extends all that was seen and may be remembered, whatever becomes of the round.
 */
export async function verifyOffer(offer: Offer, context: GuardContext): Promise<Verdict> {
  let sound: SeenCheckpoint | null = null;
  try {
    const { state, floors, limits, trainerId } = context;
    if (offer.plan === undefined) return refuse("GUARD_BAD_PLAN", "expected a plan in the offer, came none");
    const logged = await openReceipt(offer.plan, state.log, context.verifier, readPlanEntry);
    const { entry, index, checkpoint } = logged;
    requireExtension(state.checkpoint, checkpoint, offer.consistency);
    sound = checkpoint;
    await checkPlanEntry(logged, offer.round, context);
    const plan = entry.body;
    if (plan.round <= state.lastRound) {
      refuse("GUARD_REPLAYED_ROUND", `expected a round after ${state.lastRound}, came ${plan.round}`);
    }
    const consent = checkConsent(plan, offer, context);
    checkPopulationBudget(plan, requirePolicy(state));
    const privacy = checkPrivacy(plan, floors);
    const leafHash = entryLeafHash(entry);
    const isAble = context.isAbleToAggregate === true;
    const secure = checkSecureAggregation(plan, decodeBase64Url(leafHash), floors, isAble);
    checkSize(plan, limits);
    const isQuery = plan.trainer.id === "analytics" && plan.kind === "evaluate";
    if (plan.trainer.id !== trainerId && !(isQuery && context.answersQueries === true)) {
      refuse("GUARD_UNSUPPORTED", `expected a plan for the trainer ${trainerId}, came one for ${plan.trainer.id}`);
    }
    if (privacy.examples !== null && context.isExampleLevel !== true) {
      refuse("GUARD_UNSUPPORTED", `expected a plan that the trainer ${trainerId} can do, came one for single examples`);
    }
    const run =
      plan.privacy.run === undefined ? null : { id: plan.privacy.run.first ?? leafHash, step: plan.privacy.run.step };
    checkOwnBudget(plan, { event: privacy.event, run }, consent, context);
    return {
      ok: true,
      checkpoint,
      plan: { round: plan.round, leafHash, index, body: plan, ...privacy, run, secure },
    };
  } catch (cause) {
    const error = asClientError(cause, "GUARD_BAD_PLAN", "the plan could not be checked");
    return {
      ok: false,
      code: isGuardCode(error.code) ? error.code : "GUARD_BAD_PLAN",
      message: error.message,
      fork: error instanceof ForkError ? error.claim : null,
      checkpoint: sound,
    };
  }
}
