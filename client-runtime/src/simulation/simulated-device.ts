// A device without log, consent and network, for simulations of a whole federation in one process: what it makes of a plan is
// made by the code that real devices run.
import { decodeBase64Url, type RoundPlan, secureParametersOf } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import { stalenessWeight } from "../encoding/staleness.js";
import { encodeUpdate, quantiseUpdate, trainedLength } from "../encoding/update.js";
import { defaultFloors, type PrivacyFloors } from "../guard/floors.js";
import type { VerifiedPlan } from "../guard/offer.js";
import { checkPrivacy } from "../guard/privacy.js";
import type { TensorShape } from "../models/safetensors.js";
import { exampleLevelTask, updateFate } from "../participation/training.js";
import type { LocalState, Trainer, TrainingTask } from "../trainers/trainer.js";

/** What simulated devices accept: a simulation is there to try plans, also poor ones. */
const FLOORS: PrivacyFloors = {
  ...defaultFloors,
  allowNoNoise: true,
  allowExampleUnit: true,
  requireSecureAggregation: false,
  minimumNoiseMultiplier: 0,
  maximumEpsilonPerRound: Number.MAX_VALUE,
  maximumEpsilon: Number.MAX_VALUE,
  minimumCohort: 1,
};

/**
 * A plan's privacy parameters as a device checks and uses them; its place in a log is taken on trust.
 *
 * @param leafHash 32 bytes, base64url: what distributed noise is rotated by
 * @throws ClientError GUARD_EVENT_MISMATCH, GUARD_CLIP …: a coordinator's plan that no device would accept
 */
export function simulatedPlan(body: RoundPlan, leafHash: string): VerifiedPlan {
  const { enabled } = body.secureAggregation;
  return {
    round: body.round,
    leafHash,
    index: 0,
    body,
    ...checkPrivacy(body, FLOORS),
    run: null,
    secure: enabled ? secureParametersOf(body, decodeBase64Url(leafHash)) : null,
  };
}

/** One device's part in a round. */
export interface SimulatedDevice {
  readonly trainer: Trainer;
  readonly state: LocalState;
  /** For stochastic rounding and the device's own noise. */
  readonly random: RandomSource;
  readonly signal: AbortSignal;
  /** SHA-256 of the model that it trains on, base64url, where that is an earlier one than the round's. */
  readonly staleModel?: string | undefined;
  /** What a poisoned device makes of what it trained, in place. */
  readonly poison?: ((trained: Float32Array) => void) | undefined;
}

/** The model of a round, or the earlier one that the device trains on. */
export interface SimulatedModel {
  readonly parameters: Float32Array;
  readonly manifest: readonly TensorShape[];
}

/**
 * Trains and encodes as `Participant` does.
 *
 * @returns the bytes that a device submits, or with secure aggregation the integers that it would add its masks to
 * @throws ClientError as training and encoding throw
 */
export async function simulatedUpdate(
  plan: VerifiedPlan,
  { parameters, manifest }: SimulatedModel,
  { trainer, state, random, signal, poison, staleModel }: SimulatedDevice,
): Promise<Uint8Array | Int32Array> {
  const task: TrainingTask = {
    parameters,
    manifest,
    settings: plan.body.trainer.settings,
    updateLength: trainedLength(plan),
    state,
    // A simulated device trains only where its update counts.
    fate: updateFate(plan, async () => true),
    ...(plan.examples === null ? {} : { exampleLevel: exampleLevelTask(plan.examples, random) }),
    signal,
    onProgress: () => {},
  };
  const trained = plan.body.kind === "train" ? (await trainer.train(task)).update : await trainer.evaluate(task);
  poison?.(trained);
  const { staleness } = plan.body;
  const weight =
    staleness === undefined || staleModel === undefined ? 1 : (stalenessWeight(staleness, staleModel) ?? 0);
  if (weight !== 1) for (let i = 0; i < trained.length; i++) trained[i] = weight * (trained[i] ?? 0);
  return plan.secure === null ? encodeUpdate(trained, plan, random) : quantiseUpdate(trained, plan, random);
}
