import * as z from "zod/mini";
import { bytes32, decimalFrom0 } from "./scalars.js";

/** The most models that a plan names. */
export const MOST_STALE_MODELS = 101;

/**
 * Buffered asynchronous aggregation (Nguyen et al. 2022, FedBuff): an update may have been trained on any of these models. A
 * device multiplies one that is τ models old by (1 + τ)^(−exponent) before it clips, so that the sum stays a plain sum, of which
 * each part is as bounded as any.
 */
export interface StalenessPlan {
  readonly exponent: string;
  /** SHA-256 of each, base64url: the round's own model first, then those before it. */
  readonly models: readonly string[];
}

export const stalenessPlan: z.ZodMiniType<StalenessPlan> = z.strictObject({
  exponent: decimalFrom0,
  models: z.array(bytes32).check(
    z.minLength(1),
    z.maxLength(MOST_STALE_MODELS),
    z.refine((models) => new Set(models).size === models.length, "models must differ"),
  ),
});
