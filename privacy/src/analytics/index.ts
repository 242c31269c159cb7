export { contribution, newestTrial } from "./contribution.js";
export {
  type Divergence,
  type Drift,
  driftAtNewest,
  driftBetween,
  fewestToCompare,
  type NoisedHistogram,
} from "./drift.js";
export {
  type AnalyticsResult,
  type ArmMoments,
  analyticsResult,
  type NamedEstimate,
  type NoisedSum,
} from "./estimate.js";
export { branchThreshold, type FrequentWord, type TrieStep, trieStep } from "./heavyHitters.js";
export {
  type Estimate,
  type Interval,
  normalEstimate,
  ratioEstimate,
  scaledEstimate,
  smoothEstimate,
  within,
} from "./interval.js";
export {
  type AnalyticsQuery,
  analyticsQuery,
  type Cell,
  type Condition,
  type HeavyHittersQuery,
  type Measure,
  parseQuery,
  type QueryKind,
  queryText,
  type Row,
  type Where,
} from "./query.js";
export { type CurvePoint, type ScoreQuality, scoreQuality } from "./scores.js";
export { contributionLength, contributionNorm } from "./shape.js";
export { type CountTree, countTree } from "./tree.js";
