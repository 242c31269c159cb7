import type { SignatureVerifier, Signer } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import type { DeviceCrypto } from "@fedloop/privacy/secagg";
import type { PrivacyFloors, TransferLimits } from "../guard/floors.js";
import type { PinnedLog } from "../guard/receipt.js";
import type { Sha256 } from "../hashing/sha256.js";
import type { Clock } from "../scheduling/clock.js";
import type { ConditionsSource, SchedulingLimits } from "../scheduling/conditions.js";
import type { DeviceStore } from "../store/device-store.js";
import type { Trainer } from "../trainers/trainer.js";
import type { RetryPolicy } from "../transport/retry.js";
import type { Transport } from "../transport/transport.js";
import type { ConsentTerms } from "./consent-terms.js";

/** What an app gives to take part. Everything but the first seven has a default. */
export interface JoinOptions {
  readonly population: string;
  readonly transport: Transport;
  /** One for each participant. The same store and signer resume where an earlier run stopped. */
  readonly store: DeviceStore;
  readonly signer: Signer;
  readonly verifier: SignatureVerifier;
  readonly consent: ConsentTerms;
  readonly trainer: Trainer;
  /**
   * What secure aggregation computes with: `nodeDeviceCrypto` of `@fedloop/privacy/secagg/node`, or
   * `browserDeviceCrypto`. Without it the device refuses rounds with secure aggregation.
   */
  readonly secureAggregation?: DeviceCrypto;
  /** What every round must reach; the private choice where nothing is named. */
  readonly floors?: Partial<PrivacyFloors>;
  readonly limits?: Partial<TransferLimits>;
  /** When the device may train: what is known of it, and what the app allows. Without it, at any time. */
  readonly scheduling?: {
    readonly conditions: ConditionsSource;
    readonly limits?: Partial<SchedulingLimits>;
  };
  /** What the app knows of the log beforehand; without it the first answer is pinned. */
  readonly trust?: { readonly log?: PinnedLog; readonly operatorKey?: Uint8Array };
  /** An invitation, where the population demands one. */
  readonly token?: string;
  readonly clock?: Clock;
  readonly random?: RandomSource;
  readonly sha256?: Sha256;
  readonly retry?: Partial<RetryPolicy>;
  /** For each attempt of a call. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}
