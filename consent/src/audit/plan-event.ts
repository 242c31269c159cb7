// Does a plan's mechanism event promise no more than its own clip, noise and sampler give?
import type { DpEvent } from "@fedloop/privacy";
import type { RoundPlan } from "../entries/round-plan.js";

const tolerance = 1 + 1e-9;

/** Noise over sensitivity that an event states, with the sensitivity in integer units where it names one. */
interface StatedNoise {
  readonly ratio: number;
  readonly sensitivity?: number;
  readonly dimension?: number | undefined;
}

function statedNoise(event: DpEvent, mechanism: RoundPlan["privacy"]["mechanism"]): StatedNoise | undefined {
  if (mechanism === "central-discrete-gaussian" && event.type === "Gaussian") return { ratio: event.noiseMultiplier };
  if (mechanism === "central-discrete-gaussian" && event.type === "DiscreteGaussian")
    return { ratio: event.sigma / event.sensitivity, sensitivity: event.sensitivity, dimension: event.dimension };
  if (mechanism === "distributed-discrete-gaussian" && event.type === "DistributedDiscreteGaussian")
    return {
      ratio: (event.noiseStdDev * Math.sqrt(event.devices)) / event.l2Sensitivity,
      sensitivity: event.l2Sensitivity,
      dimension: event.dimension,
    };
  if (mechanism === "distributed-skellam" && event.type === "Skellam")
    return { ratio: event.noiseStdDev / event.l2Sensitivity, sensitivity: event.l2Sensitivity };
  return undefined;
}

/** Why the event promises more than the plan gives; undefined when it does not. */
export function overpromise(plan: RoundPlan, event: DpEvent): string | undefined {
  const { mechanism, noiseMultiplier } = plan.privacy;
  if (mechanism === "none") return undefined;
  const stated = statedNoise(event, mechanism);
  if (stated === undefined)
    return `An event of type ${event.type} does not follow from ${mechanism} noise and an "${plan.sampler.type}" sampler.`;
  if (stated.ratio > Number(noiseMultiplier) * tolerance)
    return `The event states noise of ${stated.ratio} sensitivities, the plan adds ${noiseMultiplier}.`;
  if (stated.sensitivity !== undefined && stated.sensitivity < plan.update.integerNormBound)
    return `The event states a sensitivity of ${stated.sensitivity}, updates may have a norm of ${plan.update.integerNormBound}.`;
  if (stated.dimension !== undefined && stated.dimension < plan.update.length)
    return `The event is of ${stated.dimension} coordinates, the update has ${plan.update.length}.`;
  return undefined;
}
