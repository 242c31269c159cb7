// How likely this person is to do something, by a model that was trained in federation and a log that stays here.
import type { FeatureVector } from "../enrichment/features.js";

/** A local model of one number. Apps bring their own kinds. */
export interface PropensityModel {
  readonly id: string;
  /** From 0 to 1. Features that the model does not know do not count; those that are not there count as 0. */
  score(features: FeatureVector): number;
}

function logistic(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

function reader({ names, values }: FeatureVector): (name: string) => number {
  const at = new Map(names.map((name, i) => [name, i]));
  return (name) => values[at.get(name) ?? -1] ?? 0;
}

/** Logistic regression by names of features. */
export function logisticPropensity(
  id: string,
  weights: { readonly [feature: string]: number },
  bias: number,
): PropensityModel {
  return {
    id,
    score(features) {
      const value = reader(features);
      return logistic(Object.entries(weights).reduce((sum, [name, weight]) => sum + weight * value(name), bias));
    },
  };
}

/** One question of a boosted model. */
export interface Stump {
  readonly feature: string;
  readonly threshold: number;
  /** Added to the logit where the feature is below the threshold, and where it is not. */
  readonly below: number;
  readonly above: number;
}

/** Boosted decision stumps (Friedman, Hastie, Tibshirani, Additive logistic regression, 2000). */
export function stumpPropensity(id: string, stumps: readonly Stump[], bias: number): PropensityModel {
  return {
    id,
    score(features) {
      const value = reader(features);
      return logistic(
        stumps.reduce(
          (sum, { feature, threshold, below, above }) => sum + (value(feature) < threshold ? below : above),
          bias,
        ),
      );
    },
  };
}
