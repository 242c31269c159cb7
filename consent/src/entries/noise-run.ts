import * as z from "zod/mini";
import { bytes32, positive } from "./scalars.js";

/**
 * A round's place in a run: rounds whose noise is correlated (DP-FTRL) and whose event is that of all of them, so that it
 * is paid for once, by the first.
 */
export interface NoiseRun {
  /** Leaf hash of the plan that opened the run; null in that plan itself. */
  readonly first: string | null;
  /** From 1; each is taken by one round that is debited. */
  readonly step: number;
}

export const noiseRun: z.ZodMiniType<NoiseRun> = z
  .strictObject({ first: z.nullable(bytes32), step: positive })
  .check(z.refine(({ first, step }) => first !== null || step === 1, "a run is opened by its first step"));
