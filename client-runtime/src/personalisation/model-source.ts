import type { LossName } from "../engine/plan/loss.js";
import { compiledLocalModel } from "../trainers/layers/compiled.js";
import type { LocalModel } from "../trainers/layers/local-model.js";

/** Where a trainer has its layers model from: `open`, or `topology` and `loss`. */
export interface ModelSource {
  /** Brings the model to an engine: `openLayersModel` of `/tensorflow`. */
  readonly open?: () => Promise<LocalModel>;
  /** The model in Keras' JSON, for the compiled engine. */
  readonly topology?: unknown;
  /** "meanSquaredError" unless given. */
  readonly loss?: LossName;
}

/** @returns what opens the model */
export function opening({ open, topology, loss = "meanSquaredError" }: ModelSource): () => Promise<LocalModel> {
  return open ?? (async () => compiledLocalModel({ topology, loss }));
}
