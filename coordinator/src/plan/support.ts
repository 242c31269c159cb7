/** What this version can run. A plan that asks for more is refused when it is read, not when devices have trained. */

/** Strategies by what they need to see: the sum of a cohort's updates, or each update. */
export const STRATEGY_FAMILIES = {
  fedavg: "sum",
  "diagonal-newton": "sum",
  "factor-newton": "sum",
  "coordinate-median": "per-update",
  "trimmed-mean": "per-update",
  krum: "per-update",
  "multi-krum": "per-update",
} as const;

export type StrategyId = keyof typeof STRATEGY_FAMILIES;

export type StrategyFamily = (typeof STRATEGY_FAMILIES)[StrategyId];

export function isStrategyId(id: string): id is StrategyId {
  return Object.hasOwn(STRATEGY_FAMILIES, id);
}

/** Families of strategies that rounds can run. */
export const RUNNABLE_FAMILIES: ReadonlySet<StrategyFamily> = new Set(["sum"]);
