import { CoordinatorError } from "../errors.js";
import { fedAdagrad, fedAdam, fedYogi } from "./adaptive.js";
import { diagonalNewton } from "./diagonal-newton.js";
import { factorNewton } from "./factor-newton.js";
import { fedAvg } from "./fedavg.js";
import { fedBuff } from "./fedbuff.js";
import { qFedAvg } from "./q-fedavg.js";
import { coordinateMedian, groupMedian, groupTrimmedMean, trimmedMeanStrategy } from "./robust/coordinate-rules.js";
import { krum, multiKrum } from "./robust/krum.js";
import { normBounding } from "./robust/norm-bounding.js";
import { scaffold } from "./scaffold.js";
import { fedAvgM } from "./server-momentum.js";
import type {
  GroupSumStrategy,
  PerUpdateStrategy,
  Strategy,
  StrategyFamily,
  StrategySettings,
  SumStrategy,
} from "./strategy.js";
import { subspaceIteration } from "./subspace-iteration.js";

type Maker<Made> = (settings: StrategySettings) => Made;

const SUM: Readonly<Record<string, Maker<SumStrategy>>> = {
  fedavg: fedAvg,
  fedavgm: fedAvgM,
  fedadam: fedAdam,
  fedyogi: fedYogi,
  fedadagrad: fedAdagrad,
  scaffold,
  "q-fedavg": qFedAvg,
  fedbuff: fedBuff,
  "diagonal-newton": diagonalNewton,
  "factor-newton": factorNewton,
  "subspace-iteration": subspaceIteration,
};

const GROUP_SUM: Readonly<Record<string, Maker<GroupSumStrategy>>> = {
  "group-median": groupMedian,
  "group-trimmed-mean": groupTrimmedMean,
};

const PER_UPDATE: Readonly<Record<string, Maker<PerUpdateStrategy>>> = {
  "coordinate-median": coordinateMedian,
  "trimmed-mean": trimmedMeanStrategy,
  krum,
  "multi-krum": multiKrum,
  "norm-bounding": normBounding,
};

const STRATEGIES: Readonly<Record<string, Maker<Strategy>>> = { ...SUM, ...GROUP_SUM, ...PER_UPDATE };

/** Names that a plan's `strategy.id` may have, by family. */
export const STRATEGY_IDS: Readonly<Record<StrategyFamily, readonly string[]>> = {
  sum: Object.keys(SUM),
  "group-sum": Object.keys(GROUP_SUM),
  "per-update": Object.keys(PER_UPDATE),
};

interface Chosen {
  readonly id: string;
  readonly settings: StrategySettings;
}

/** @throws CoordinatorError BAD_PLAN for a strategy that is not there, or with settings that it has not */
export function strategyFor({ id, settings }: Chosen): Strategy {
  const make = Object.hasOwn(STRATEGIES, id) ? STRATEGIES[id] : undefined;
  if (make === undefined) {
    throw new CoordinatorError(
      "BAD_PLAN",
      `expected strategy.id to be one of ${Object.keys(STRATEGIES).join(", ")}, came "${id}"`,
    );
  }
  return make(settings);
}

/** The same for where only a sum is to be had. @throws CoordinatorError BAD_PLAN */
export function sumStrategyFor(chosen: Chosen): SumStrategy {
  const strategy = strategyFor(chosen);
  if (strategy.family === "sum") return strategy;
  throw new CoordinatorError("BAD_PLAN", `expected a strategy that needs only a sum, came "${chosen.id}"`);
}
