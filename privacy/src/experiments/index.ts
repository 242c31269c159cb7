export { type ArmMean, armMean, pooled, type ReleasedExperiment } from "./arm.js";
export { compareRates, normalPosterior, type Posterior, type RatePosterior, ratePosterior } from "./bayesian.js";
export { type Difference, difference, type FixedTest, fixedTest } from "./difference.js";
export { type PlannedExperiment, type PowerAnswer, participantsFor, powerOf } from "./power.js";
export { type SampleRatio, sampleRatio } from "./sampleRatio.js";
export { confidenceSequence, mixtureScale, type SequentialTest } from "./sequential.js";
