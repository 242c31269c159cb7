export { type Accountant, type EpsilonBound, SMALLEST_DELTA } from "./accounting/accountant.js";
export { type CalibrationTarget, noiseMultiplierFor } from "./accounting/calibration.js";
export { type AccountantName, accountantNamed, type EpsilonReport, epsilonOf } from "./accounting/epsilon.js";
export { type DecimalJson, decimalDpEvent, parseDecimalDpEvent, parseDpEvent } from "./accounting/eventSchema.js";
export type * from "./accounting/events.js";
export { BudgetOdometer, type PrivacyBudget, PrivacyFilter } from "./accounting/filter.js";
export { gaussianDelta, gaussianEpsilon, gaussianNoiseMultiplier } from "./accounting/gaussian.js";
export { type PldOptions, pldAccountant } from "./accounting/pld/accountant.js";
export { RDP_ORDERS, type RdpOptions, rdpAccountant } from "./accounting/rdp/accountant.js";
export type { FractionalOrders } from "./accounting/rdp/sampledGaussian.js";
export { defaultRelation, type NeighbouringRelation, relationsOf } from "./accounting/relation.js";
export { type ZcdpOptions, zcdpAccountant } from "./accounting/zcdp/accountant.js";
export { zcdpDelta, zcdpEpsilon } from "./accounting/zcdp/conversion.js";
export { addScores, type ScoredRow } from "./analytics/scoreBins.js";
export { integerNormSquared, LARGEST_INTEGER_NORM } from "./encoding/integerNorm.js";
export { packedBytes, packSigned, unpackSigned } from "./encoding/packing.js";
export { paddedDimension } from "./encoding/paddedDimension.js";
export { type Quantisation, quantisationFor, roundedNormBound } from "./encoding/quantisation.js";
export { rotate, rotationSigns, unrotate } from "./encoding/rotation.js";
export { dequantise, quantise } from "./encoding/rounding.js";
export { PRIVACY_ERROR_CODES, PrivacyError, type PrivacyErrorCode } from "./errors.js";
export {
  type AdaptiveClipping,
  clippingReport,
  clippingReportEvent,
  nextClipNorm,
  noisedUnclippedFraction,
  updateNoiseMultiplier,
} from "./mechanisms/adaptiveClipping.js";
export {
  addCentralNoise,
  type CentralGaussian,
  type CentralGaussianParameters,
  centralGaussian,
} from "./mechanisms/central.js";
export { type Clipping, clipL2, normL2 } from "./mechanisms/clipping.js";
export {
  type DistributedMechanism,
  type DistributedNoise,
  type DistributedParameters,
  distributedMechanism,
} from "./mechanisms/distributed.js";
export { decodeDistributed, encodeDistributed } from "./mechanisms/distributedEncoding.js";
export { type DpSgdMechanism, type DpSgdParameters, dpSgd } from "./mechanisms/dpSgd.js";
export { DpSgdRun } from "./mechanisms/dpSgdRun.js";
export {
  estimateCounts,
  hadamardResponse,
  kRandomizedResponse,
  type LocalResponse,
  respond,
  responseStdDev,
} from "./mechanisms/localResponse.js";
export { CorrelatedNoise, type CorrelatedNoiseState } from "./mechanisms/matrix/correlatedNoise.js";
export {
  type MatrixMechanism,
  type MatrixMechanismParameters,
  matrixMechanism,
} from "./mechanisms/matrix/mechanism.js";
export { type Participation, toeplitzSensitivity, treeSensitivitySquared } from "./mechanisms/matrix/sensitivity.js";
export {
  type BandedStrategy,
  type BltStrategy,
  bandedSquareRoot,
  bltCoefficients,
  bltSquareRoot,
  type MatrixStrategy,
  strategyCoefficients,
} from "./mechanisms/matrix/strategy.js";
export { sampleDiscreteGaussian } from "./random/discreteGaussian.js";
export { sampleDiscreteLaplace } from "./random/discreteLaplace.js";
export { DiscreteGaussianSampler, fillDiscreteGaussian, SAMPLE_DISTANCE_BOUND } from "./random/gaussianSampler.js";
export { fillPoisson, fillSkellam, PoissonSampler, SkellamSampler } from "./random/poissonSampler.js";
export { type Rational, rationalFromNumber } from "./random/rational.js";
export { type RandomSource, type RandomValues, systemRandom } from "./random/source.js";
