// What a place in a round brings with it: the model, training, and the update in the form that leaves the device.
import { decodeBase64Url } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import { trainedLength } from "../encoding/update.js";
import { asClientError, ClientError } from "../errors.js";
import type { VerifiedPlan } from "../guard/offer.js";
import { readModel } from "../models/safetensors.js";
import type { TrainingGate } from "../scheduling/training-gate.js";
import type { LocalState, Trainer, TrainingTask, UpdateFate } from "../trainers/trainer.js";
import { downloadArtifact, type TransferContext, takeArtifact } from "../transfer/download.js";
import type { ParticipationEvent } from "./events.js";

export { encodeUpdate, quantiseUpdate } from "../encoding/update.js";
export { submitUpdate } from "../transfer/upload.js";

/** Progress of training is told in steps of this. */
const PROGRESS_STEP = 0.1;

/** What a device trains with. */
export interface TrainingContext {
  readonly trainer: Trainer;
  readonly localState: LocalState;
  readonly wasCounted: UpdateFate["wasCounted"];
  readonly random: RandomSource;
  readonly gate: TrainingGate | undefined;
  readonly tell: (event: ParticipationEvent) => void;
  readonly signal: AbortSignal;
}

/**
 * The file of a plan's model, checked against the plan.
 *
 * @param came its bytes where they came with the place in the round; null where they have to be fetched
 * @param spare memory to use again
 */
export async function modelFile(
  transfer: TransferContext,
  { body: { model } }: VerifiedPlan,
  came: Uint8Array | null,
  spare: Uint8Array | undefined,
): Promise<Uint8Array> {
  const artifact = { sha256: decodeBase64Url(model.sha256), bytes: model.bytes };
  return came === null ? downloadArtifact(transfer, artifact, spare) : takeArtifact(transfer, artifact, came, spare);
}

/**
 * Trains, while the device may be used for that.
 *
 * @returns the update as the trainer made it: not clipped, not noised, not for anyone to see
 * @throws ClientError ABORTED, BAD_MODEL, HELD, TRAINER_FAILED
 */
export async function trainedUpdate(
  plan: VerifiedPlan,
  file: Uint8Array,
  { trainer, localState, wasCounted, random, gate, tell, signal }: TrainingContext,
): Promise<Float32Array> {
  const { kind, purpose, trainer: named, model } = plan.body;
  const { parameters, manifest } = readModel(file, model.parameters);
  let told = -1;
  const onProgress = (progress: number): void => {
    if (signal.aborted || (progress < told + PROGRESS_STEP && progress < 1) || progress <= told) return;
    told = progress;
    tell({ type: "training", round: plan.round, kind, purpose, progress });
  };
  onProgress(0);
  const task: TrainingTask = {
    parameters,
    manifest,
    settings: named.settings,
    updateLength: trainedLength(plan),
    state: localState,
    fate: updateFate(plan, wasCounted),
    ...(plan.examples === null ? {} : { exampleLevel: exampleLevelTask(plan.examples, random) }),
    signal,
    onProgress,
  };
  const training = (signal: AbortSignal): Promise<Float32Array> => train(trainer, kind, { ...task, signal });
  return gate === undefined ? training(signal) : gate.during(training, signal);
}

/** What a trainer is told of what becomes of its update. */
export function updateFate(
  { round, clipNorm, adaptive }: VerifiedPlan,
  wasCounted: UpdateFate["wasCounted"],
): UpdateFate {
  return { round, clipNorm: adaptive?.clipNorm ?? clipNorm, wasCounted };
}

/** What a trainer is told of a plan whose unit is the example. */
export function exampleLevelTask(
  { mechanism, lotSize }: NonNullable<VerifiedPlan["examples"]>,
  random: RandomSource,
): NonNullable<TrainingTask["exampleLevel"]> {
  const { clipNorm, noiseMultiplier, samplingProbability, steps } = mechanism;
  return { parameters: { clipNorm, noiseMultiplier, samplingProbability, steps }, lotSize, random };
}

async function train(trainer: Trainer, kind: "train" | "evaluate", task: TrainingTask): Promise<Float32Array> {
  try {
    return kind === "train" ? (await trainer.train(task)).update : await trainer.evaluate(task);
  } catch (cause) {
    if (task.signal.aborted) throw new ClientError("ABORTED", "training was aborted", { cause });
    throw asClientError(cause, "TRAINER_FAILED", "the app's trainer threw an error; see its cause");
  }
}
