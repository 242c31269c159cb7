// A participant's answer to a query, before clip and noise: a function of its own rows and of the public query.
import type { AnalyticsQuery, HeavyHittersQuery, Row, ScoresQuery, VotesQuery } from "./query.js";
import { centred, clamp, measured, numberIn, rowMeets, textIn } from "./rows.js";
import { addScores } from "./scoreBins.js";
import { contributionLength, followedPrefixes } from "./shape.js";

/**
 * What a participant adds to the sum. No entry but what the query asks for goes in, and the L2 norm is at most
 * `contributionNorm(query)`. Who has no row that counts adds zeros, so that taking part tells nothing.
 *
 * @param rows the participant's own; oldest first
 * @returns `contributionLength(query)` numbers
 */
export function contribution(query: AnalyticsQuery, rows: readonly Row[]): Float32Array {
  const out = new Float32Array(contributionLength(query));
  const { where } = query;
  const newest = ofNewestTrial(query, rows);
  const kept = where === undefined ? newest : newest.filter((row) => rowMeets(row, where));
  if (kept.length > 0) fill(out, query, kept);
  return out;
}

/** What the newest row of an experiment is about, in an experiment that counts once for each thing tried; else undefined. */
export function newestTrial(query: AnalyticsQuery, rows: readonly Row[]): string | undefined {
  return query.kind === "experiment" && query.per !== undefined ? lastText(rows, query.per) : undefined;
}

function ofNewestTrial(query: AnalyticsQuery, rows: readonly Row[]): readonly Row[] {
  if (query.kind !== "experiment" || query.per === undefined) return rows;
  const { per } = query;
  const trial = newestTrial(query, rows);
  return trial === undefined ? [] : rows.filter((row) => textIn(row, per) === trial);
}

function add(out: Float32Array, at: number, amount: number): void {
  if (at >= 0 && at < out.length) out[at] = (out[at] ?? 0) + amount;
}

function fill(out: Float32Array, query: AnalyticsQuery, rows: readonly Row[]): void {
  switch (query.kind) {
    case "count":
      out[0] = 1;
      return;
    case "sum": {
      const value = measured(rows, query.value);
      if (value !== undefined) out[0] = clamp(value, query.lower, query.upper);
      return;
    }
    case "mean": {
      const { by, lower, upper } = query;
      const group = by === undefined ? 0 : by.groups.indexOf(lastText(rows, by.column) ?? "");
      const value = measured(rows, query.value);
      if (group < 0 || value === undefined) return;
      out[2 * group] = centred(value, lower, upper);
      out[2 * group + 1] = 1;
      return;
    }
    case "histogram": {
      const value = measured(rows, query.value);
      if (value !== undefined) out[binOf(query.edges, value)] = 1;
      return;
    }
    case "categories":
      for (const row of rows) {
        add(out, query.categories.indexOf(textIn(row, query.column) ?? ""), 1 / rows.length);
      }
      return;
    case "ratio":
      if (!rows.some((row) => rowMeets(row, query.among))) return;
      out[0] = 1;
      Object.values(query.parts).forEach((part, at) => {
        if (rows.some((row) => rowMeets(row, part))) out[1 + at] = 1;
      });
      return;
    case "quantiles": {
      const value = measured(rows, query.value);
      if (value === undefined) return;
      const { levels, lower, upper } = query;
      const leaf = Math.min(
        Math.floor((2 ** levels * (clamp(value, lower, upper) - lower)) / (upper - lower)),
        2 ** levels - 1,
      );
      for (let level = 1; level <= levels; level++) out[2 ** level - 2 + (leaf >> (levels - level))] = 1;
      return;
    }
    case "scores":
      fillScores(out, query, rows);
      return;
    case "experiment": {
      const arm = query.arms.indexOf(lastText(rows, query.arm) ?? "");
      if (arm < 0) return;
      const own = rows.filter((row) => textIn(row, query.arm) === query.arms[arm]);
      // Nothing happened: that is an outcome of 0.
      const value = measured(own, query.value) ?? 0;
      const scaled = centred(value, query.lower, query.upper);
      out.set([1, scaled, scaled * scaled], 3 * arm);
      return;
    }
    case "votes":
      fillVote(out, query, rows);
      return;
    case "heavy-hitters":
      fillPrefix(out, query, rows);
  }
}

function lastText(rows: readonly Row[], column: string): string | undefined {
  const row = rows.at(-1);
  return row === undefined ? undefined : textIn(row, column);
}

/** The bin between two edges that a value is in; outside of all the nearest. */
function binOf(edges: readonly number[], value: number): number {
  const above = edges.findIndex((edge) => edge > value);
  return clamp((above < 0 ? edges.length : above) - 1, 0, edges.length - 2);
}

function fillScores(out: Float32Array, { score, label }: ScoresQuery, rows: readonly Row[]): void {
  const scored = rows.flatMap((row) => {
    const value = numberIn(row, score);
    const truth = numberIn(row, label);
    return value === undefined || truth === undefined ? [] : [{ score: value, isTrue: truth > 0.5 }];
  });
  addScores(out, scored);
}

function fillVote(out: Float32Array, { candidate, loss, candidates }: VotesQuery, rows: readonly Row[]): void {
  const means = candidates.map((name) => {
    const own = rows.filter((row) => textIn(row, candidate) === name);
    return measured(own, { of: "mean", column: loss }) ?? Number.POSITIVE_INFINITY;
  });
  const best = Math.min(...means);
  if (Number.isFinite(best)) out[means.indexOf(best)] = 1;
}

/** A word ends with a letter outside of the alphabet, or where it ends: that is the last place of each prefix. */
function fillPrefix(out: Float32Array, query: HeavyHittersQuery, rows: readonly Row[]): void {
  const word = lastText(rows, query.column);
  if (word === undefined) return;
  const prefixes = followedPrefixes(query);
  const places = query.alphabet.length + 1;
  const at = prefixes.findIndex((prefix) => word.startsWith(prefix));
  if (at < 0) return;
  const next = word[(prefixes[at] ?? "").length];
  const letter = next === undefined ? -1 : query.alphabet.indexOf(next);
  out[at * places + (letter < 0 ? places - 1 : letter)] = 1;
}
