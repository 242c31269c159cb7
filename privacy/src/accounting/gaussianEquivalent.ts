import { toeplitzSensitivity, treeSensitivitySquared } from "../mechanisms/matrix/sensitivity.js";
import { bltCoefficients } from "../mechanisms/matrix/strategy.js";
import type { DpEvent } from "./events.js";

/**
 * What is known beside the curve. "gaussian": it is the continuous Gaussian mechanism. "symmetric": neighbouring
 * output distributions are mirror images of each other, as for noise that is symmetric about each answer. "any": no more.
 */
export type NoiseShape = "gaussian" | "symmetric" | "any";

const SHAPES: readonly NoiseShape[] = ["gaussian", "symmetric", "any"];

/** Events whose Rényi curve is at most ρ·α, the curve of a Gaussian mechanism. */
export interface GaussianEquivalent {
  /** ρ = 1 / (2 · noiseMultiplier²) */
  readonly rho: number;
  readonly shape: NoiseShape;
}

/**
 * Finds the Gaussian mechanism that an event, or a composition on the same data, amounts to. Several Gaussian queries
 * on the same vector are one query with combined precision (McMahan et al. 2018, "A general approach", section 3).
 * Streaming matrix mechanisms are Gaussian mechanisms too, also when later inputs depend on earlier outputs (Denisov et al.
 * 2022, Theorem 2.1). Discrete Gaussian: ρ = sensitivity²/2σ² in any dimension (Canonne, Kamath, Steinke 2020).
 *
 * @returns undefined when the event is not of this kind
 */
export function gaussianEquivalent(event: DpEvent): GaussianEquivalent | undefined {
  switch (event.type) {
    case "NoOp":
      return { rho: 0, shape: "gaussian" };
    case "Gaussian":
      return { rho: 1 / (2 * event.noiseMultiplier * event.noiseMultiplier), shape: "gaussian" };
    case "DiscreteGaussian": {
      const ratio = event.sensitivity / event.sigma;
      return { rho: (ratio * ratio) / 2, shape: "symmetric" };
    }
    case "ZCdp":
      return event.xi === 0 ? { rho: event.rho, shape: "any" } : undefined;
    case "SingleEpochTreeAggregation":
      return multiple(treeLevels(event.stepCounts), event.noiseMultiplier);
    case "TreeAggregation":
      return multiple(treeSensitivitySquared(event), event.noiseMultiplier);
    case "BltMatrixFactorization":
      return multiple(
        toeplitzSensitivity(bltCoefficients(event.bufferDecay, event.outputScale, event.steps), event) ** 2,
        event.noiseMultiplier,
      );
    case "BandedMatrixFactorization":
      return multiple(toeplitzSensitivity(Float64Array.from(event.coefficients), event) ** 2, event.noiseMultiplier);
    case "Composed": {
      let rho = 0;
      let shape: NoiseShape = "gaussian";
      for (const inner of event.events) {
        const part = gaussianEquivalent(inner);
        if (part === undefined) {
          return undefined;
        }
        rho += part.rho;
        shape = SHAPES.indexOf(part.shape) > SHAPES.indexOf(shape) ? part.shape : shape;
      }
      return { rho, shape };
    }
    case "SelfComposed": {
      const part = gaussianEquivalent(event.event);
      return part === undefined
        ? undefined
        : { rho: event.count === 0 ? 0 : part.rho * event.count, shape: part.shape };
    }
    default:
      return undefined;
  }
}

/** A Gaussian mechanism whose squared sensitivity is that many times that of one contribution. */
function multiple(sensitivitySquared: number, noiseMultiplier: number): GaussianEquivalent {
  return { rho: sensitivitySquared / (2 * noiseMultiplier * noiseMultiplier), shape: "gaussian" };
}

/**
 * Tree aggregation with restarts, no record in two trees: a record enters one node a level.
 * Source: Kairouz et al., "Practical and Private (Deep) Learning without Sampling or Shuffling" (2021), appendix D.
 */
function treeLevels(stepCounts: readonly number[]): number {
  const largest = stepCounts.reduce((most, steps) => Math.max(most, steps), 0);
  let levels = 0;
  while (2 ** levels < largest + 1) {
    levels += 1;
  }
  return levels;
}
