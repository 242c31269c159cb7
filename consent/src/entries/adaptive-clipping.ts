import * as z from "zod/mini";
import { decimalAbove0 } from "./scalars.js";

/**
 * Adaptive clipping (Andrew et al. 2021) in one vector: behind its update a device appends +report when its norm was at
 * most `clipNorm`, −report when it was clipped. The noise covers both, with `privacy.clipNorm` as the norm of the whole.
 */
export interface AdaptiveClippingPlan {
  /** L2 norm that the update itself is clipped to. */
  readonly clipNorm: string;
  /** Magnitude of the last coordinate. */
  readonly report: string;
  /** Fraction of updates that should pass unclipped. */
  readonly targetQuantile: string;
  readonly learningRate: string;
}

export const adaptiveClippingPlan: z.ZodMiniType<AdaptiveClippingPlan> = z.strictObject({
  clipNorm: decimalAbove0,
  report: decimalAbove0,
  targetQuantile: decimalAbove0.check(z.refine((text) => Number(text) < 1, "must be below 1")),
  learningRate: decimalAbove0,
});
