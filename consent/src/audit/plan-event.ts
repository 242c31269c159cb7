// Does a plan's mechanism event promise no more than its own clip, noise and sampler give?
import type { DpEvent } from "@fedloop/privacy";
import { encodeEvent } from "../entries/event.js";
import { exampleLevelMechanismOf } from "../entries/example-level.js";
import type { RoundPlan } from "../entries/round-plan.js";
import { canonicalText } from "../json/canonical.js";

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
  if (
    mechanism === "dp-ftrl" &&
    (event.type === "BltMatrixFactorization" || event.type === "BandedMatrixFactorization")
  )
    return { ratio: event.noiseMultiplier };
  return undefined;
}

/**
 * By how much one unit can change the sum of updates whose norm is at most `integerNormBound`: a participant comes or goes
 * with its whole update; one example more or less changes an update into another one.
 */
export function sumSensitivity({ privacy, update }: RoundPlan): number {
  return privacy.unit === "example" ? 2 * update.integerNormBound : update.integerNormBound;
}

/** Why the event promises more than the plan gives; undefined when it does not. */
export function overpromise(plan: RoundPlan, event: DpEvent): string | undefined {
  const { mechanism, noiseMultiplier, run } = plan.privacy;
  if (mechanism === "none") return undefined;
  if (mechanism === "dp-sgd") return overpromiseOfExamples(plan, event);
  const stated = statedNoise(event, mechanism);
  if (stated === undefined)
    return `An event of type ${event.type} does not follow from ${mechanism} noise and an "${plan.sampler.type}" sampler.`;
  if (stated.ratio > Number(noiseMultiplier) * tolerance)
    return `The event states noise of ${stated.ratio} sensitivities, the plan adds ${noiseMultiplier}.`;
  const sensitivity = sumSensitivity(plan);
  if (stated.sensitivity !== undefined && stated.sensitivity < sensitivity)
    return `The event states a sensitivity of ${stated.sensitivity}, one ${plan.privacy.unit} may change a sum by ${sensitivity}.`;
  if (stated.sensitivity === undefined && plan.privacy.unit === "example")
    return "The event does not state the sensitivity that one example has.";
  if (stated.dimension !== undefined && stated.dimension < plan.update.length)
    return `The event is of ${stated.dimension} coordinates, the update has ${plan.update.length}.`;
  if (run !== undefined && "steps" in event && run.step > event.steps)
    return `The event is of ${event.steps} steps, this is step ${run.step}.`;
  return undefined;
}

/** Training that is noised on the devices costs what its parameters make, worked out anew. */
function overpromiseOfExamples(plan: RoundPlan, event: DpEvent): string | undefined {
  const due = exampleLevelMechanismOf(plan)?.event;
  if (due !== undefined && canonicalText(encodeEvent(event)) === canonicalText(encodeEvent(due))) return undefined;
  return `The event of type ${event.type} is not that of the plan's steps of DP-SGD.`;
}
