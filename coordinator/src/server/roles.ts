/** What a process of `fedloop serve` does: coordinate, sum groups for those that do, or both. */
export const SERVE_ROLES = ["coordinator", "aggregator", "all"] as const;

export type ServeRole = (typeof SERVE_ROLES)[number];
