export { type ArmMean, armMean, fewestToTell, pooled, type ReleasedExperiment } from "./arm.js";
export { compareRates, normalPosterior, type Posterior, type RatePosterior, ratePosterior } from "./bayesian.js";
export { type Difference, difference, type FixedTest, fixedTest } from "./difference.js";
export { largestNoise, type PlannedExperiment, type PowerAnswer, participantsFor, powerOf } from "./power.js";
export { type SampleRatio, sampleRatio } from "./sampleRatio.js";
export { confidenceSequence, mixtureScale, type SequentialTest } from "./sequential.js";
