/** What passes between the simulation and its threads. */
import type { RoundPlan } from "@fedloop/consent";
import type { TensorShape } from "../../models/safetensors.js";
import type { Attack } from "../../plan/simulation-schema.js";
import type { Dataset } from "./dataset.js";
import type { AnsweredSteps } from "./masked-group.js";
import type { Partition } from "./partition.js";

/** Which trainer devices have, by the plan's strategy. */
export type TrainerKind = "plain" | "scaffold" | "q-fedavg";

/** What a thread is started with. */
export interface ThreadSetting {
  readonly dataset: Dataset;
  readonly partition: Partition;
  readonly topology: unknown;
  readonly loss: "categoricalCrossentropy" | "meanSquaredError";
  readonly trainerId: string;
  readonly kind: TrainerKind;
  readonly seed: number;
  /** By device, 1 for those that are poisoned. */
  readonly poisoned: Uint8Array;
  readonly attack: Attack;
  readonly scale: number;
}

/** A round's model and plan. */
export interface RoundTask {
  readonly body: RoundPlan;
  /** base64url. */
  readonly leafHash: string;
  readonly manifest: readonly TensorShape[];
  readonly parameters: Float32Array;
  /** By device, the earlier model that it trains on, where it does. */
  readonly stale: ReadonlyMap<number, StaleModel>;
}

/** A model that was released before the round's. */
export interface StaleModel {
  /** base64url. */
  readonly sha256: string;
  readonly parameters: Float32Array;
}

/** One group's sum, through the protocol. */
export interface GroupTask {
  readonly body: RoundPlan;
  /** base64url. */
  readonly leafHash: string;
  /** Which of the round's groups it is. */
  readonly group: number;
  readonly answered: AnsweredSteps;
  /** By device. */
  readonly vectors: ReadonlyMap<number, Int32Array>;
}

export type ToThread =
  | { readonly type: "sum"; readonly task: GroupTask }
  | { readonly type: "train"; readonly task: RoundTask; readonly devices: readonly number[] }
  | {
      readonly type: "score";
      readonly manifest: readonly TensorShape[];
      readonly parameters: Float32Array;
      readonly from: number;
      readonly to: number;
    };

export type FromThread =
  | { readonly type: "ready" }
  /** Null where training came to values that are not finite: such a device sends nothing. */
  | { readonly type: "update"; readonly device: number; readonly update: Uint8Array | Int32Array | null }
  /** Null where too many were gone. */
  | { readonly type: "summed"; readonly sum: Int32Array | null }
  | { readonly type: "scored"; readonly loss: number; readonly right: number }
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly code: string; readonly message: string };
