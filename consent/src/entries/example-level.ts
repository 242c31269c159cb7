import { type DpSgdMechanism, dpSgd } from "@fedloop/privacy";
import * as z from "zod/mini";
import type { RoundPlan } from "./round-plan.js";
import { decimalAbove0, positive } from "./scalars.js";

/** How devices train with a guarantee for each example: DP-SGD with noise of their own. */
export interface ExampleLevelPlan {
  /** L2 norm of one example's gradient. */
  readonly clipNorm: string;
  readonly samplingProbability: string;
  /** Of each device in the round. */
  readonly steps: number;
  /** Fixed divisor of a step's sum. */
  readonly lotSize: number;
}

export const exampleLevelPlan: z.ZodMiniType<ExampleLevelPlan> = z.strictObject({
  clipNorm: decimalAbove0,
  samplingProbability: decimalAbove0.check(z.refine((text) => Number(text) <= 1, "must be at most 1")),
  steps: positive,
  lotSize: positive,
});

/** What example-level training follows from. */
export interface ExampleLevelChoice {
  readonly clipNorm: number;
  readonly noiseMultiplier: number;
  readonly samplingProbability: number;
  readonly steps: number;
  /** Numbers in an update. */
  readonly updateLength: number;
}

/**
 * The mechanism of one device's training in one round. A gradient has a number more than an update: trainers may have a
 * parameter that stays on the device.
 *
 * @throws PrivacyError INVALID_PARAMETER
 */
export function exampleLevelMechanism({ updateLength, ...choice }: ExampleLevelChoice): DpSgdMechanism {
  return dpSgd({ ...choice, dimension: updateLength + 1 });
}

/** The same from a plan's entry; null where its mechanism is another. */
export function exampleLevelMechanismOf({ privacy, update }: RoundPlan): DpSgdMechanism | null {
  const { examples } = privacy;
  if (examples === undefined) return null;
  return exampleLevelMechanism({
    clipNorm: Number(examples.clipNorm),
    noiseMultiplier: Number(privacy.noiseMultiplier),
    samplingProbability: Number(examples.samplingProbability),
    steps: examples.steps,
    updateLength: update.length,
  });
}
