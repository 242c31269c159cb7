import { normalQuantile, twoSidedTail } from "../statistics/normal.js";
import type { ArmMean } from "./arm.js";

/** An arm against the control: difference of means, in the outcome's unit. */
export interface Difference {
  readonly arm: string;
  readonly control: string;
  readonly value: number;
  /** Of people and of noise together. */
  readonly variance: number;
  /** The part of it that is noise. */
  readonly noiseVariance: number;
}

export function difference(control: ArmMean, arm: ArmMean): Difference {
  const noiseVariance = control.noiseVariance + arm.noiseVariance;
  return {
    arm: arm.arm,
    control: control.arm,
    value: arm.mean - control.mean,
    variance: control.samplingVariance + arm.samplingVariance + noiseVariance,
    noiseVariance,
  };
}

/** A test for one look, planned beforehand. */
export interface FixedTest {
  readonly pValue: number;
  readonly interval: readonly [number, number];
}

/** A z-test whose variance includes the noise. Valid for one look; whoever looks more often uses `confidenceSequence`. */
export function fixedTest({ value, variance }: Pick<Difference, "value" | "variance">, alpha = 0.05): FixedTest {
  const deviation = Math.sqrt(variance);
  const half = normalQuantile(1 - alpha / 2) * deviation;
  return {
    pValue: deviation === 0 ? Number(value === 0) : twoSidedTail(value / deviation),
    interval: [value - half, value + half],
  };
}
