// What devices have answered, as the coordinator's API tells it: noised numbers, each with its place in the release journal.
import * as z from "zod/mini";

const text = z.string();
const number = z.number();
const bound = z.nullable(number);

/** An interval; null where it has no end. */
export interface Ends {
  readonly low: number | null;
  readonly high: number | null;
}

/** A number that a query released, with what is known of its noise. */
export interface Estimate extends Ends {
  readonly name: string;
  /** Its place on a curve. */
  readonly at: number | null;
  /** Null where it is withheld. */
  readonly value: number | null;
  readonly noiseStdDev: number | null;
}

/** An answered query of a population, such as a count or quantiles. */
export interface Answer {
  readonly population: string;
  readonly round: number;
  readonly query: string;
  readonly turn: number;
  readonly kind: string;
  readonly about: string | null;
  readonly closedMs: number;
  readonly members: number;
  readonly minimumDevices: number;
  /** Of the population, once this was paid for. */
  readonly epsilon: string;
  readonly ownEpsilon: string;
  readonly delta: string;
  readonly noiseStdDev: number;
  readonly journal: {
    readonly index: number;
    readonly plan: number;
    readonly aggregate: string;
    readonly replays: boolean;
  };
  /** The column that a curve runs over, such as the day since joining. */
  readonly curve: string | null;
  readonly estimates: readonly Estimate[];
}

export const answer: z.ZodMiniType<Answer> = z.object({
  population: text,
  round: number,
  query: text,
  turn: number,
  kind: text,
  about: z.nullable(text),
  closedMs: number,
  members: number,
  minimumDevices: number,
  epsilon: text,
  ownEpsilon: text,
  delta: text,
  noiseStdDev: number,
  journal: z.object({ index: number, plan: number, aggregate: text, replays: z.boolean() }),
  curve: z.nullable(text),
  estimates: z.array(z.object({ name: text, at: bound, value: bound, low: bound, high: bound, noiseStdDev: bound })),
});

/** An arm against the first. */
export interface Comparison extends Ends {
  readonly arm: string;
  readonly control: string;
  readonly difference: number;
  /** Part of the difference's variance that is noise. */
  readonly noiseShare: number;
  readonly pValue: number;
  readonly isDecided: boolean;
  readonly oneLook: Ends & { readonly pValue: number };
  readonly probabilityBetter: number;
  readonly bayesian: Ends & { readonly expectedLoss: number };
  readonly looks: readonly (Ends & {
    readonly turn: number;
    readonly journal: number;
    readonly difference: number;
  })[];
}

/** An experiment with all its releases taken together. */
export interface Experiment {
  readonly population: string;
  readonly name: string;
  readonly looks: number;
  readonly journal: readonly number[];
  readonly epsilon: string;
  readonly delta: string;
  readonly lower: number;
  readonly upper: number;
  readonly noiseStdDev: number;
  readonly fewestToTell: number;
  readonly isMismatch: boolean;
  readonly sampleRatio: number;
  readonly arms: readonly (Ends & {
    readonly arm: string;
    readonly participants: number | null;
    readonly mean: number | null;
  })[];
  readonly comparisons: readonly Comparison[];
  readonly needs: readonly {
    readonly effect: number;
    readonly participantsPerArm: number;
    readonly epsilon: number | null;
  }[];
}

const ends = { low: bound, high: bound };

export const experiment: z.ZodMiniType<Experiment> = z.object({
  population: text,
  name: text,
  looks: number,
  journal: z.array(number),
  epsilon: text,
  delta: text,
  lower: number,
  upper: number,
  noiseStdDev: number,
  fewestToTell: number,
  isMismatch: z.boolean(),
  sampleRatio: number,
  arms: z.array(z.object({ arm: text, participants: bound, mean: bound, ...ends })),
  comparisons: z.array(
    z.object({
      arm: text,
      control: text,
      difference: number,
      noiseShare: number,
      ...ends,
      pValue: number,
      isDecided: z.boolean(),
      oneLook: z.object({ ...ends, pValue: number }),
      probabilityBetter: number,
      bayesian: z.object({ ...ends, expectedLoss: number }),
      looks: z.array(z.object({ turn: number, journal: number, difference: number, ...ends })),
    }),
  ),
  needs: z.array(z.object({ effect: number, participantsPerArm: number, epsilon: bound })),
});

interface Divergence {
  readonly value: number;
  /** What people and noise alone exceed in 5 of 1 000 turns. */
  readonly threshold: number;
}

/** A query that was asked more than once, each turn against its reference. */
export interface DriftReport {
  readonly population: string;
  readonly query: string;
  readonly found: number;
  readonly looks: readonly {
    readonly turn: number;
    readonly reference: number;
    readonly journal: { readonly present: number; readonly reference: number };
    readonly fewestDevices: number;
    readonly isDrift: boolean;
    /** Null where noise leaves nothing to compare. */
    readonly drift: {
      readonly pValue: number;
      readonly bins: number;
      readonly jensenShannon: Divergence;
      readonly stabilityIndex: Divergence;
    } | null;
  }[];
}

const divergence = z.object({ value: number, threshold: number });

export const driftReport: z.ZodMiniType<DriftReport> = z.object({
  population: text,
  query: text,
  found: number,
  looks: z.array(
    z.object({
      turn: number,
      reference: number,
      journal: z.object({ present: number, reference: number }),
      fewestDevices: number,
      isDrift: z.boolean(),
      drift: z.nullable(
        z.object({ pValue: number, bins: number, jensenShannon: divergence, stabilityIndex: divergence }),
      ),
    }),
  ),
});
