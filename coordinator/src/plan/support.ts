import { STRATEGY_IDS } from "../strategies/registry.js";
import type { StrategyFamily } from "../strategies/strategy.js";

/** The family of a plan's strategy; undefined for a name that there is not. */
export function strategyFamily(id: string): StrategyFamily | undefined {
  if (STRATEGY_IDS.sum.includes(id)) return "sum";
  if (STRATEGY_IDS["group-sum"].includes(id)) return "group-sum";
  return STRATEGY_IDS["per-update"].includes(id) ? "per-update" : undefined;
}

/** All names of strategies. */
export const KNOWN_STRATEGIES: readonly string[] = Object.values(STRATEGY_IDS).flat();

/** Updates of one round that a per-update strategy may need to hold, in memory and nowhere else. Bytes. */
export const MOST_UPDATE_BYTES: number = 2 ** 30;
