// The vector that a query makes of one participant's rows: how long it is, and how much it can change a sum.
import type { AnalyticsQuery, HeavyHittersQuery } from "./query.js";

/** Coordinates of each participant's contribution. */
export function contributionLength(query: AnalyticsQuery): number {
  switch (query.kind) {
    case "count":
    case "sum":
      return 1;
    case "mean":
      return 2 * (query.by?.groups.length ?? 1);
    case "histogram":
      return query.edges.length - 1;
    case "categories":
      return query.categories.length;
    case "ratio":
      return 1 + Object.keys(query.parts).length;
    case "quantiles":
      // The nodes of all levels below the root.
      return 2 ** (query.levels + 1) - 2;
    case "scores":
      return 2 * query.bins;
    case "experiment":
      return 3 * query.arms.length;
    case "votes":
      return query.candidates.length;
    case "heavy-hitters":
      return query.width * (query.alphabet.length + 1);
  }
}

/** L2 norm that no participant's contribution exceeds: what the plan clips to. */
export function contributionNorm(query: AnalyticsQuery): number {
  switch (query.kind) {
    case "count":
    case "histogram":
    case "categories":
    case "scores":
    case "votes":
    case "heavy-hitters":
      return 1;
    case "sum":
      return Math.max(Math.abs(query.lower), Math.abs(query.upper));
    case "mean":
      return Math.SQRT2;
    case "ratio":
      return Math.sqrt(1 + Object.keys(query.parts).length);
    case "quantiles":
      return Math.sqrt(query.levels);
    case "experiment":
      return Math.sqrt(3);
  }
}

/** The prefixes that a round of heavy hitters follows; in the first only the empty one. */
export function followedPrefixes({ prefixes, width }: HeavyHittersQuery): readonly string[] {
  return (prefixes ?? [""]).slice(0, width);
}
