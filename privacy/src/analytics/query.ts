// What a federated query may ask. A query is public: it stands in the plan, in the log, before any device answers it.
import * as z from "zod/mini";
import { PrivacyError } from "../errors.js";

/** A value in a device's own table. */
export type Cell = string | number | boolean;

/** One record of a device's own data. It never leaves the device. */
export type Row = Readonly<Record<string, Cell>>;

/** What a column must hold: a value, one of several, or a number within bounds (from `atLeast` to under `below`). */
export type Condition =
  | Cell
  | readonly Cell[]
  | { readonly atLeast?: number | undefined; readonly below?: number | undefined };

/** Columns and what they must hold; all of them must. */
export type Where = Readonly<Record<string, Condition>>;

/** How a participant's rows become one number. "rows" counts them; the others look at a column of numbers. */
export type Measure =
  | { readonly of: "rows" }
  | { readonly of: "sum" | "mean" | "minimum" | "maximum" | "last"; readonly column: string };

interface Asked {
  /** Which of the app's tables is looked at. */
  readonly table: string;
  /** Rows that count; all unless given. */
  readonly where?: Where | undefined;
  /** What it is about, for people: the hash of a bundle of templates, of a model. */
  readonly about?: string | undefined;
  /** Results of cells with fewer devices, by the noised count, are withheld. */
  readonly minimumDevices: number;
}

/** Numbers are clamped to these before they are used, on the device. */
interface Bounded {
  readonly value: Measure;
  readonly lower: number;
  readonly upper: number;
}

/** How many participants have a row. */
export interface CountQuery extends Asked {
  readonly kind: "count";
}

/** The sum over participants of a bounded number each. */
export interface SumQuery extends Asked, Bounded {
  readonly kind: "sum";
}

/** The mean over participants of a bounded number each, for all or for each group. */
export interface MeanQuery extends Asked, Bounded {
  readonly kind: "mean";
  readonly by?: { readonly column: string; readonly groups: readonly string[] } | undefined;
}

/** How many participants have a number between two edges. Outside of them the nearest bin counts. */
export interface HistogramQuery extends Asked {
  readonly kind: "histogram";
  readonly value: Measure;
  /** Ascending; one more than bins. */
  readonly edges: readonly number[];
}

/** How many participants are in each category, by their rows: each participant counts 1, divided over its rows. */
export interface CategoriesQuery extends Asked {
  readonly kind: "categories";
  readonly column: string;
  readonly categories: readonly string[];
}

/** Which part of the participants with one kind of row also have another: conversion, retention. */
export interface RatioQuery extends Asked {
  readonly kind: "ratio";
  /** The participants that are looked at: those with such a row. */
  readonly among: Where;
  readonly parts: Readonly<Record<string, Where>>;
}

/** Quantiles over participants of a bounded number each, by a tree of 2^levels leaves. */
export interface QuantilesQuery extends Asked, Bounded {
  readonly kind: "quantiles";
  readonly levels: number;
  readonly at: readonly number[];
}

/** How well scores from 0 to 1 tell labels apart: AUC, precision and recall, calibration. */
export interface ScoresQuery extends Asked {
  readonly kind: "scores";
  readonly score: string;
  /** Column of true/false or 1/0. */
  readonly label: string;
  readonly bins: number;
}

/** Participants, and moments of a bounded number, for each arm of an experiment. */
export interface ExperimentQuery extends Asked, Bounded {
  readonly kind: "experiment";
  readonly arm: string;
  readonly arms: readonly string[];
  /**
   * Column that says what is tried, such as the round of a canary: a participant is counted once for each, by its rows about the newest.
   * Once in all unless given.
   */
  readonly per?: string | undefined;
}

/** Each participant's vote for the candidate that did best on its own data. */
export interface VotesQuery extends Asked {
  readonly kind: "votes";
  /** Column that names the candidate of a row. */
  readonly candidate: string;
  /** Column of numbers; the candidate with the lowest mean gets the vote. */
  readonly loss: string;
  readonly candidates: readonly string[];
}

/** Words that many participants have, found prefix by prefix, one round for each letter. */
export interface HeavyHittersQuery extends Asked {
  readonly kind: "heavy-hitters";
  readonly column: string;
  /** The letters that words are made of; others end a word. */
  readonly alphabet: string;
  /** Letters that words have at most: as many rounds are asked. */
  readonly length: number;
  /** Prefixes that are followed at most. */
  readonly width: number;
  /** Those that are followed in this round, by what rounds before have released; left out in the first. */
  readonly prefixes?: readonly string[] | undefined;
}

/** A closed set of questions, each with a sensitivity that follows from what it asks. */
export type AnalyticsQuery =
  | CountQuery
  | SumQuery
  | MeanQuery
  | HistogramQuery
  | CategoriesQuery
  | RatioQuery
  | QuantilesQuery
  | ScoresQuery
  | ExperimentQuery
  | VotesQuery
  | HeavyHittersQuery;

export type QueryKind = AnalyticsQuery["kind"];

const MAX_CELLS = 512;
/** As long as a line in the log may be. */
const MAX_TEXT = 2_000;

type Schema<Type> = z.ZodMiniType<Type>;

function words<Type>(schema: Schema<Type>, holds: (value: Type) => boolean, error: string): Schema<Type> {
  return schema.check(z.refine(holds, { error }));
}

const NAME = { error: "a name of letters, digits and . _ - of at most 63 characters" };
const name: Schema<string> = z.string(NAME).check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, NAME));
const NUMBER = { error: "a finite number" };
const real: Schema<number> = z.number(NUMBER);
const whole = (least: number, most: number): Schema<number> => {
  const error = { error: `a whole number from ${least} to ${most}` };
  return z.int(error).check(z.gte(least, error), z.lte(most, error));
};
const LABEL = { error: "a line of at most 63 characters" };
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
const label: Schema<string> = z.string(LABEL).check(z.regex(/^[^\u0000-\u001f\u007f-\u009f]{1,63}$/, LABEL));
const cell: Schema<Cell> = z.union([real, z.boolean(), label], { error: "a number, true, false or a line of text" });

const labels = (least: number): Schema<readonly string[]> => {
  const error = { error: `a list of ${least} to ${MAX_CELLS} different names` };
  return words(
    z.array(label, error).check(z.minLength(least, error), z.maxLength(MAX_CELLS, error)),
    (list) => new Set(list).size === list.length,
    error.error,
  );
};

const bound = z.optional(real);
const condition: Schema<Condition> = z.union(
  [
    cell,
    z.array(cell).check(z.minLength(1), z.maxLength(64)),
    z.strictObject({ atLeast: bound, below: bound }, { error: "atLeast and below" }),
  ],
  { error: "a value, a list of values, or a mapping with atLeast and below" },
);
const WHERE = { error: "a mapping of columns to what they must hold" };
const where: Schema<Where> = z.record(name, condition, WHERE);

/** A mapping with exactly these keys; the message about another one is the list of the known ones. */
function section<Shape extends z.core.$ZodLooseShape>(shape: Shape): z.ZodMiniObject<Shape, z.core.$strict> {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, { error: (issue) => (issue.code === "unrecognized_keys" ? known : "a mapping") });
}

const measure: Schema<Measure> = z.discriminatedUnion(
  "of",
  [
    section({ of: z.literal("rows") }),
    section({ of: z.enum(["sum", "mean", "minimum", "maximum", "last"]), column: name }),
  ],
  { error: "a mapping with of: rows, or of: sum, mean, minimum, maximum or last and a column" },
);

const ABOUT = { error: "a line of at most 200 characters" };
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
const about: Schema<string> = z.string(ABOUT).check(z.regex(/^[^\u0000-\u001f\u007f-\u009f]{1,200}$/, ABOUT));
const asked = {
  table: name,
  about: z.optional(about),
  where: z.optional(where),
  minimumDevices: z._default(whole(1, 1_000_000), 10),
};
const bounded = { value: measure, lower: real, upper: real };

const schema = z.discriminatedUnion(
  "kind",
  [
    section({ kind: z.literal("count"), ...asked }),
    section({ kind: z.literal("sum"), ...asked, ...bounded }),
    section({
      kind: z.literal("mean"),
      ...asked,
      ...bounded,
      by: z.optional(section({ column: name, groups: labels(1) })),
    }),
    section({
      kind: z.literal("histogram"),
      ...asked,
      value: measure,
      edges: z.array(real, { error: "a list of numbers" }).check(
        z.minLength(2, { error: "at least 2 edges" }),
        z.maxLength(MAX_CELLS, { error: `at most ${MAX_CELLS} edges` }),
        z.refine((edges) => edges.every((edge, at) => at === 0 || (edges[at - 1] ?? edge) < edge), {
          error: "ascending edges",
        }),
      ),
    }),
    section({ kind: z.literal("categories"), ...asked, column: name, categories: labels(1) }),
    section({
      kind: z.literal("ratio"),
      ...asked,
      among: where,
      parts: words(
        z.record(name, where, { error: "a mapping of names to what a row must hold" }),
        (parts) => Object.keys(parts).length >= 1 && Object.keys(parts).length <= MAX_CELLS,
        "at least one part",
      ),
    }),
    section({
      kind: z.literal("quantiles"),
      ...asked,
      ...bounded,
      levels: z._default(whole(2, 12), 8),
      at: z
        .array(
          words(real, (quantile) => quantile > 0 && quantile < 1, "a number between 0 and 1"),
          { error: "a list of numbers between 0 and 1" },
        )
        .check(z.minLength(1, { error: "at least one quantile" }), z.maxLength(99, { error: "at most 99 quantiles" })),
    }),
    section({
      kind: z.literal("scores"),
      ...asked,
      score: name,
      label: name,
      bins: z._default(whole(2, MAX_CELLS), 32),
    }),
    section({ kind: z.literal("experiment"), ...asked, ...bounded, arm: name, arms: labels(2), per: z.optional(name) }),
    section({ kind: z.literal("votes"), ...asked, candidate: name, loss: name, candidates: labels(2) }),
    section({
      kind: z.literal("heavy-hitters"),
      ...asked,
      column: name,
      alphabet: words(
        z.string({ error: "a line of letters" }).check(z.minLength(2), z.maxLength(128)),
        (letters) => new Set(letters).size === [...letters].length && [...letters].length === letters.length,
        "different letters of one UTF-16 unit each",
      ),
      length: z._default(whole(1, 32), 8),
      width: z._default(whole(1, 64), 16),
      prefixes: z.optional(z.array(z.string().check(z.maxLength(32))).check(z.maxLength(64))),
    }),
  ],
  {
    error:
      "one of the kinds count, sum, mean, histogram, categories, ratio, quantiles, scores, experiment, votes, heavy-hitters",
  },
);

/** A query as a plan writes it. */
export const analyticsQuery: Schema<AnalyticsQuery> = words<AnalyticsQuery>(
  words<AnalyticsQuery>(
    schema,
    (query) => !("lower" in query) || query.lower < query.upper,
    "expected lower to be below upper",
  ),
  (query) => longestText(query) <= MAX_TEXT,
  `expected a query of at most ${MAX_TEXT} characters as JSON, which is what a log entry holds`,
);

/** Of all rounds of a query: later rounds of heavy hitters name the prefixes that they follow. */
function longestText(query: AnalyticsQuery): number {
  const own = queryText(query).length;
  return query.kind === "heavy-hitters" ? own + query.width * (query.length + 3) : own;
}

/** The text of a query, as plan entries carry it: the same query gives the same text. */
export function queryText(query: AnalyticsQuery): string {
  return JSON.stringify(sorted(query));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]));
}

/** @throws PrivacyError INVALID_PARAMETER for a text that is no query, or too long for a log entry */
export function parseQuery(text: string): AnalyticsQuery {
  let json: unknown;
  try {
    json = text.length <= MAX_TEXT ? JSON.parse(text) : undefined;
  } catch {
    json = undefined;
  }
  const { success, data, error } = analyticsQuery.safeParse(json);
  if (success) return data;
  const [issue] = error.issues;
  const place = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
  throw new PrivacyError(
    "INVALID_PARAMETER",
    `A federated query was expected, something else came${place}: ${issue?.message ?? ""}.`,
  );
}
