import type { Adversary } from "@fedloop/privacy/secagg";
import { ClientError } from "../errors.js";

/** What the app demands of every round, whatever the participant has consented to. */
export interface PrivacyFloors {
  /** Whether rounds without differential privacy are taken part in. */
  readonly allowNoNoise: boolean;
  /** Whether rounds are taken part in whose ε is for single examples, not for all that the participant contributes. */
  readonly allowExampleUnit: boolean;
  /** Noise standard deviation over sensitivity, at least. */
  readonly minimumNoiseMultiplier: number;
  /** ε of one round at `delta`, at most. */
  readonly maximumEpsilonPerRound: number;
  /** ε of all rounds that this device takes part in at `delta`, at most; the consent's limits come on top. */
  readonly maximumEpsilon: number;
  /** The δ of the limits above, and of the consent's where it names none. */
  readonly delta: number;
  /** Whether rounds in which the coordinator sees single updates are refused. */
  readonly requireSecureAggregation: boolean;
  /** Against whom masks have to hold, and with which part of the members in league with it. */
  readonly adversary: Adversary;
  readonly corruptFraction: number;
  /** The least number of participants that a round may go on with. */
  readonly minimumCohort: number;
}

/** What holds where the app names nothing else. Each of them is the private choice. */
export const defaultFloors: PrivacyFloors = {
  allowNoNoise: false,
  allowExampleUnit: false,
  minimumNoiseMultiplier: 0.5,
  maximumEpsilonPerRound: 4,
  maximumEpsilon: 8,
  delta: 1e-5,
  requireSecureAggregation: true,
  adversary: "semi-malicious",
  corruptFraction: 0.05,
  minimumCohort: 10,
};

/** What a device is able and willing to hold. */
export interface TransferLimits {
  /** Bytes of a model's file. */
  readonly modelBytes: number;
  /** Numbers in an update. */
  readonly updateLength: number;
}

/** 64 MiB of model, and an update as long as its parameters and curvatures. */
export const defaultLimits: TransferLimits = { modelBytes: 64 << 20, updateLength: 32 << 20 };

function requireAbove(name: string, value: number, least: number): void {
  if (!(value >= least)) throw new ClientError("BAD_OPTION", `expected ${name} to be at least ${least}, came ${value}`);
}

/** @throws ClientError BAD_OPTION for a floor that is no floor */
export function completeFloors(floors: Partial<PrivacyFloors>): PrivacyFloors {
  const complete = { ...defaultFloors, ...floors };
  requireAbove("floors.minimumNoiseMultiplier", complete.minimumNoiseMultiplier, 0);
  requireAbove("floors.maximumEpsilonPerRound", complete.maximumEpsilonPerRound, 0);
  requireAbove("floors.maximumEpsilon", complete.maximumEpsilon, 0);
  requireAbove("floors.corruptFraction", complete.corruptFraction, 0);
  requireAbove("floors.minimumCohort", complete.minimumCohort, 1);
  if (!(complete.delta >= 1e-12 && complete.delta < 1)) {
    throw new ClientError("BAD_OPTION", `expected floors.delta from 1e-12 to below 1, came ${complete.delta}`);
  }
  return complete;
}

/** @throws ClientError BAD_OPTION */
export function completeLimits(limits: Partial<TransferLimits>): TransferLimits {
  const complete = { ...defaultLimits, ...limits };
  requireAbove("limits.modelBytes", complete.modelBytes, 1);
  requireAbove("limits.updateLength", complete.updateLength, 1);
  return complete;
}
