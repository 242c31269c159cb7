import { CoordinatorError } from "../errors.js";
import { diagonalNewton } from "./diagonal-newton.js";
import { factorNewton } from "./factor-newton.js";
import { fedAvg } from "./fedavg.js";
import type { StrategySettings, SumStrategy } from "./strategy.js";

const SUM_STRATEGIES: Readonly<Record<string, (settings: StrategySettings) => SumStrategy>> = {
  fedavg: fedAvg,
  "diagonal-newton": diagonalNewton,
  "factor-newton": factorNewton,
};

/** @throws CoordinatorError BAD_PLAN for a strategy that rounds cannot run */
export function strategyFor({
  id,
  settings,
}: {
  readonly id: string;
  readonly settings: StrategySettings;
}): SumStrategy {
  const make = Object.hasOwn(SUM_STRATEGIES, id) ? SUM_STRATEGIES[id] : undefined;
  if (make === undefined) {
    throw new CoordinatorError(
      "BAD_PLAN",
      `expected strategy.id to be one of ${Object.keys(SUM_STRATEGIES).join(", ")}, came "${id}"`,
    );
  }
  return make(settings);
}
