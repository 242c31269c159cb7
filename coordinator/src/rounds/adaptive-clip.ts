import type { EntryBodies } from "@fedloop/consent";
import { nextClipNorm } from "@fedloop/privacy";
import type { AdaptiveClip, RoundSpec } from "./round-spec.js";

/**
 * The share of the clip norm that devices report by. Report and update share one noise of standard deviation z·√(C² + r²);
 * with r = κ·C it is on the count of unclipped updates 2σ_b where κ² = 1/((2σ_b/z)² − 1), and on the updates z_Δ as in
 * Andrew et al. (2021), section 2.
 *
 * @param noiseMultiplier z of update and report together
 * @param countNoiseStdDev σ_b, above z/2
 */
export function reportShare(noiseMultiplier: number, countNoiseStdDev: number): number {
  const ratio = (2 * countNoiseStdDev) / noiseMultiplier;
  return 1 / Math.sqrt(ratio * ratio - 1);
}

/** L2 norm of an update and its report together. */
export function wholeNorm({ clipNorm, reportShare: share }: Pick<AdaptiveClip, "clipNorm" | "reportShare">): number {
  return clipNorm * Math.hypot(1, share);
}

/** The same round with another clip: integers, noise and cost stay, what a step of them stands for changes. */
export function withClipNorm(spec: RoundSpec, clipNorm: number): RoundSpec {
  const { adaptive, mechanism, format } = spec;
  if (adaptive === null) return spec;
  const changed = { ...adaptive, clipNorm };
  const scale = clipNorm / adaptive.clipNorm;
  const whole = wholeNorm(changed);
  const quantisation = { ...format.quantisation, granularity: format.quantisation.granularity * scale };
  return {
    ...spec,
    adaptive: changed,
    clipNorm: whole,
    format: { ...format, quantisation },
    mechanism: mechanism === null ? null : { ...mechanism, clipNorm: whole, quantisation },
  };
}

/**
 * The clip norm that follows from a round: a function of its plan and of what it released.
 *
 * @param plan of the round, with adaptive clipping
 * @param report the released sum of its reports, the last coordinate
 */
export function clipNormAfter(plan: EntryBodies["round.plan"], report: number): number | undefined {
  const { adaptiveClipping, divisor } = plan.privacy;
  if (adaptiveClipping === undefined) return undefined;
  const fraction = (1 + report / Number(adaptiveClipping.report) / divisor) / 2;
  return nextClipNorm(Number(adaptiveClipping.clipNorm), fraction, {
    targetQuantile: Number(adaptiveClipping.targetQuantile),
    learningRate: Number(adaptiveClipping.learningRate),
    // Noise is in the released sum already.
    countNoiseStdDev: 1,
    expectedCohort: divisor,
  });
}
