import {
  canonicalText,
  decodeEvent,
  distributedMechanismOf,
  encodeEvent,
  exampleLevelMechanismOf,
  isDistributed,
  type RoundPlan,
} from "@fedloop/consent";
import type { DistributedMechanism, DpEvent, DpSgdMechanism, Quantisation } from "@fedloop/privacy";
import { ClientError, type GuardCode } from "../errors.js";
import type { PrivacyFloors } from "./floors.js";
import { rdpEpsilon } from "./rdp-epsilon.js";

/** The privacy parameters of a plan as numbers that agree with each other. */
export interface PlanPrivacy {
  readonly event: DpEvent;
  /** L2 norm. */
  readonly clipNorm: number;
  readonly quantisation: Quantisation;
  /** The noise that this device adds itself; null where it adds none. */
  readonly distributed: DistributedMechanism | null;
  /** What the update is clipped to and what is said of that behind it; null where the clip does not adapt. */
  readonly adaptive: { readonly clipNorm: number; readonly report: number } | null;
  /** How training is noised for single examples; null where it is not. */
  readonly examples: { readonly mechanism: DpSgdMechanism; readonly lotSize: number } | null;
}

/** Rounding of decimal strings and of one multiplication, and nothing more. */
const TOLERANCE = 1e-9;

function refuse(code: GuardCode, message: string): never {
  throw new ClientError(code, message);
}

function isClose(left: number, right: number): boolean {
  return Math.abs(left - right) <= TOLERANCE * Math.abs(right);
}

/**
 * That the mechanism event is what clip, noise and encoding make, neither weaker nor of another kind: an accountant
 * reads the event, the noise is drawn from the fields.
 */
function checkEvent(plan: RoundPlan, event: DpEvent, quantisation: Quantisation): void {
  const { mechanism } = plan.privacy;
  const noiseMultiplier = Number(plan.privacy.noiseMultiplier);
  const mismatch = (what: string): never =>
    refuse("GUARD_EVENT_MISMATCH", `expected the plan's event to be that of its ${mechanism}, came ${what}`);
  if (mechanism === "none") {
    if (event.type !== "NonPrivate") mismatch(event.type);
    return;
  }
  if (event.type === "Gaussian" && mechanism === "central-discrete-gaussian" && plan.privacy.unit === "participant") {
    if (!isClose(event.noiseMultiplier, noiseMultiplier)) mismatch(`a noise multiplier of ${event.noiseMultiplier}`);
    return;
  }
  if (event.type === "DiscreteGaussian" && mechanism === "central-discrete-gaussian") {
    // One example more or less changes an update into another one: twice what a participant's leaving does.
    const sensitivity = (plan.privacy.unit === "example" ? 2 : 1) * quantisation.integerNormBound;
    if (!isClose(event.sensitivity, sensitivity)) mismatch(`a sensitivity of ${event.sensitivity}`);
    if (!isClose(event.sigma, noiseMultiplier * sensitivity)) mismatch(`σ of ${event.sigma}`);
    if ((event.dimension ?? plan.update.length) !== plan.update.length) mismatch(`a dimension of ${event.dimension}`);
    return;
  }
  if (
    mechanism === "dp-ftrl" &&
    (event.type === "BltMatrixFactorization" || event.type === "BandedMatrixFactorization")
  ) {
    if (!isClose(event.noiseMultiplier, noiseMultiplier)) mismatch(`a noise multiplier of ${event.noiseMultiplier}`);
    const step = plan.privacy.run?.step ?? 0;
    if (step > event.steps) mismatch(`${event.steps} steps at step ${step}`);
    return;
  }
  mismatch(event.type);
}

/** Training for single examples follows from the plan's numbers, and so does what it costs. */
function checkExamples(plan: RoundPlan, event: DpEvent): PlanPrivacy["examples"] {
  const mechanism = exampleLevelMechanismOf(plan);
  const lotSize = plan.privacy.examples?.lotSize;
  if (mechanism === null || lotSize === undefined) return null;
  if (canonicalText(encodeEvent(event)) !== canonicalText(encodeEvent(mechanism.event))) {
    refuse("GUARD_EVENT_MISMATCH", `expected the event of the plan's steps of DP-SGD, came another ${event.type}`);
  }
  return { mechanism, lotSize };
}

/** The update and what is said of its clip stay within the norm that the noise is calibrated to. */
function checkAdaptive({ privacy, update }: RoundPlan): PlanPrivacy["adaptive"] {
  const { adaptiveClipping } = privacy;
  if (adaptiveClipping === undefined) return null;
  const clipNorm = Number(adaptiveClipping.clipNorm);
  const report = Number(adaptiveClipping.report);
  const whole = Math.hypot(clipNorm, report);
  if (whole > Number(privacy.clipNorm) * (1 + TOLERANCE) || (update.dimension ?? update.length) < 2) {
    refuse("GUARD_CLIP", `expected an update and a report within ${privacy.clipNorm}, came a norm of ${whole}`);
  }
  return { clipNorm, report };
}

/**
 * Noise on the devices follows from a few numbers of the plan: all that it says of it, and of what it costs, is worked
 * out here again.
 */
function checkDistributed(plan: RoundPlan, event: DpEvent): DistributedMechanism | null {
  if (!isDistributed(plan.privacy.mechanism)) return null;
  const mechanism = distributedMechanismOf(plan);
  const valueBound = plan.secureAggregation.parameters?.valueBound;
  if (mechanism === null)
    return refuse("GUARD_SECURE_AGGREGATION", "expected secure aggregation with noise on devices");
  const { quantisation, length } = mechanism;
  const isSame =
    length === plan.update.length &&
    mechanism.valueBound === valueBound &&
    quantisation.integerNormBound === plan.update.integerNormBound &&
    isClose(Number(plan.update.granularity), quantisation.granularity);
  if (!isSame) refuse("GUARD_CLIP", "expected the encoding that the plan's noise on devices makes, came another");
  const stated = new Map<string, unknown>(Object.entries(event));
  for (const [name, value] of Object.entries(mechanism.event)) {
    const came = stated.get(name);
    if (came === value || (typeof value === "number" && typeof came === "number" && isClose(came, value))) continue;
    refuse("GUARD_EVENT_MISMATCH", `expected the event of the plan's noise on devices, its ${name} is another`);
  }
  return mechanism;
}

function checkQuantisation(plan: RoundPlan, clipNorm: number, quantisation: Quantisation): void {
  if (plan.update.encoding === "float32") return;
  const { granularity, integerNormBound, bits } = quantisation;
  const mismatch = (what: string): never =>
    refuse("GUARD_CLIP", `expected an encoding that fits the clip norm, ${what}`);
  if (integerNormBound > 2 ** (bits - 1) - 1) mismatch(`${bits} bits cannot hold a norm of ${integerNormBound}`);
  const scaled = clipNorm / granularity;
  if (scaled > integerNormBound * (1 + TOLERANCE)) mismatch(`a clipped update would have ${scaled} steps`);
  // Rounding adds less than one step to each coordinate; a larger bound would only weaken the clip.
  const rounding = Math.sqrt(plan.update.length);
  if (integerNormBound > (scaled + rounding) * (1 + TOLERANCE) + 1) {
    mismatch(`a norm bound of ${integerNormBound} lets through more than the ${scaled} steps of the clip norm`);
  }
}

/**
 * The plan's privacy parameters, once they agree with each other and reach the app's floors.
 *
 * @throws ClientError GUARD_EVENT_MISMATCH, GUARD_CLIP, GUARD_NO_NOISE, GUARD_NOISE_TOO_SMALL,
 * GUARD_COHORT, GUARD_UNIT, GUARD_UNSUPPORTED
 */
export function checkPrivacy(plan: RoundPlan, floors: PrivacyFloors): PlanPrivacy {
  const { privacy, update, cohort } = plan;
  const clipNorm = Number(privacy.clipNorm);
  const quantisation: Quantisation = {
    granularity: Number(update.granularity),
    integerNormBound: update.integerNormBound,
    bits: update.bits,
  };
  const event = decodeEvent(privacy.event);
  const distributed = checkDistributed(plan, event);
  const examples = checkExamples(plan, event);
  if (distributed === null) {
    if (examples === null) checkEvent(plan, event, quantisation);
    checkQuantisation(plan, clipNorm, quantisation);
  }
  if (privacy.unit === "example" && !floors.allowExampleUnit) {
    refuse("GUARD_UNIT", "expected a round whose ε is for all that the participant contributes, came one for examples");
  }
  if (privacy.mechanism === "none") {
    if (!floors.allowNoNoise) refuse("GUARD_NO_NOISE", "expected a round with noise, came one without");
  } else {
    const noiseMultiplier = Number(privacy.noiseMultiplier);
    if (noiseMultiplier < floors.minimumNoiseMultiplier) {
      refuse("GUARD_NOISE_TOO_SMALL", `expected noise from ${floors.minimumNoiseMultiplier}, came ${noiseMultiplier}`);
    }
    const epsilon = rdpEpsilon(event, floors.delta);
    // A run's event is that of all its rounds.
    const most = privacy.run === undefined ? floors.maximumEpsilonPerRound : floors.maximumEpsilon;
    if (epsilon > most) refuse("GUARD_NOISE_TOO_SMALL", `expected ε of at most ${most} a round, came ${epsilon}`);
  }
  if (cohort.minimum < floors.minimumCohort) {
    refuse("GUARD_COHORT", `expected a cohort of at least ${floors.minimumCohort}, it may be ${cohort.minimum}`);
  }
  return { event, clipNorm, quantisation, distributed, adaptive: checkAdaptive(plan), examples };
}
