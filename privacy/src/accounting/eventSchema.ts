import * as z from "zod/mini";
import { PrivacyError } from "../errors.js";
import type { DpEvent } from "./events.js";

/** Events nest a few levels in practice; these limits keep a hostile file from costing more than its size. */
const MAX_DEPTH = 32;
const MAX_EVENTS = 100_000;
const MAX_LIST = 100_000;
const MAX_BUFFERS = 64;

type Real = z.ZodMiniType<number, unknown>;
type Constraint = readonly [holds: (value: number) => boolean, words: string];

const POSITIVE: Constraint = [(value) => value > 0, "must be above 0"];
const AT_LEAST_ZERO: Constraint = [(value) => value >= 0, "must be at least 0"];
const PROBABILITY: Constraint = [(value) => value >= 0 && value <= 1, "must be between 0 and 1"];
const ANY: Constraint = [() => true, ""];

/** A number as JSON has it; NaN and infinities are refused. */
const jsonReal = ([holds, error]: Constraint): Real =>
  z.pipe(z.unknown(), z.number().check(z.refine(holds, { error })));

/** A number as a decimal string, in the one spelling that ECMAScript gives it: signed documents hold no floats. */
const decimalReal = ([holds, error]: Constraint): Real =>
  z.pipe(
    z.unknown(),
    z.pipe(
      z
        .string()
        .check(z.refine((text) => String(Number(text)) === text, { error: "must be a decimal string, shortest form" })),
      z.pipe(z.transform(Number), z.number().check(z.refine(holds, { error }))),
    ),
  );

const count = (minimum: number): z.ZodMiniType<number> => z.int().check(z.gte(minimum));

/** The closed schema of events, over one notation for real numbers. */
function eventSchema(real: (constraint: Constraint) => Real): z.ZodMiniType<DpEvent> {
  const nested: z.ZodMiniType<DpEvent> = z.lazy(() => schema);
  const reals = (constraint: Constraint, limit: number): z.ZodMiniType<number[], unknown> =>
    z.pipe(z.unknown(), z.array(real(constraint)).check(z.minLength(1), z.maxLength(limit)));
  const participation = { steps: count(1), minSeparation: count(1), maxParticipations: count(1) };
  const schema: z.ZodMiniType<DpEvent> = z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("NoOp") }),
    z.strictObject({ type: z.literal("NonPrivate") }),
    z.strictObject({ type: z.literal("Gaussian"), noiseMultiplier: real(POSITIVE) }),
    z.strictObject({ type: z.literal("Laplace"), noiseMultiplier: real(POSITIVE) }),
    z.strictObject({
      type: z.literal("DiscreteGaussian"),
      sigma: real(POSITIVE),
      sensitivity: real(POSITIVE),
      dimension: z.optional(count(1)),
    }),
    z.strictObject({
      type: z.literal("DiscreteLaplace"),
      noiseParameter: real(POSITIVE),
      sensitivity: real(POSITIVE),
    }),
    z.strictObject({
      type: z.literal("Skellam"),
      noiseStdDev: real(POSITIVE),
      l1Sensitivity: real(POSITIVE),
      l2Sensitivity: real(POSITIVE),
    }),
    z.strictObject({
      type: z.literal("DistributedDiscreteGaussian"),
      noiseStdDev: real(POSITIVE),
      devices: count(1),
      l1Sensitivity: real(POSITIVE),
      l2Sensitivity: real(POSITIVE),
      dimension: count(1),
    }),
    z
      .strictObject({
        type: z.literal("MixtureOfGaussians"),
        standardDeviation: real(POSITIVE),
        sensitivities: reals(AT_LEAST_ZERO, 1000),
        probabilities: reals(PROBABILITY, 1000),
      })
      .check(
        z.refine(
          ({ sensitivities, probabilities }) =>
            sensitivities.length === probabilities.length &&
            Math.abs(probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-9,
          { error: "needs one probability per sensitivity, summing to 1" },
        ),
      ),
    z.strictObject({ type: z.literal("EpsilonDelta"), epsilon: real(AT_LEAST_ZERO), delta: real(PROBABILITY) }),
    z.strictObject({
      type: z.literal("RandomizedResponse"),
      noiseParameter: real(PROBABILITY),
      buckets: count(1),
    }),
    z.strictObject({ type: z.literal("Exponential"), epsilon: real(AT_LEAST_ZERO) }),
    z.strictObject({ type: z.literal("ZCdp"), rho: real(AT_LEAST_ZERO), xi: real(AT_LEAST_ZERO) }),
    z.strictObject({ type: z.literal("PoissonSampled"), samplingProbability: real(PROBABILITY), event: nested }),
    z
      .strictObject({
        type: z.literal("SampledWithoutReplacement"),
        sourceSize: count(1),
        sampleSize: count(0),
        event: nested,
      })
      .check(
        z.refine(({ sourceSize, sampleSize }) => sampleSize <= sourceSize, {
          error: "sampleSize must be at most sourceSize",
        }),
      ),
    z.strictObject({ type: z.literal("Composed"), events: z.array(nested) }),
    z.strictObject({ type: z.literal("SelfComposed"), count: count(0), event: nested }),
    z.strictObject({
      type: z.literal("SingleEpochTreeAggregation"),
      noiseMultiplier: real(POSITIVE),
      stepCounts: z.array(count(0)).check(z.minLength(1), z.maxLength(MAX_LIST)),
    }),
    z.strictObject({ type: z.literal("TreeAggregation"), noiseMultiplier: real(POSITIVE), ...participation }),
    z
      .strictObject({
        type: z.literal("BltMatrixFactorization"),
        noiseMultiplier: real(POSITIVE),
        bufferDecay: reals(PROBABILITY, MAX_BUFFERS),
        outputScale: reals(AT_LEAST_ZERO, MAX_BUFFERS),
        ...participation,
      })
      .check(
        z.refine(({ bufferDecay, outputScale }) => bufferDecay.length === outputScale.length, {
          error: "needs one outputScale per bufferDecay",
        }),
      ),
    z.strictObject({
      type: z.literal("BandedMatrixFactorization"),
      noiseMultiplier: real(POSITIVE),
      coefficients: reals(ANY, MAX_LIST),
      ...participation,
    }),
  ]);
  return schema;
}

const jsonSchema: z.ZodMiniType<DpEvent> = eventSchema(jsonReal);
const decimalSchema: z.ZodMiniType<DpEvent> = eventSchema(decimalReal);

/** Fields whose value is a real number, or a list of them; all other numbers of an event are integers. */
const REAL_FIELDS: ReadonlySet<string> = new Set([
  "noiseMultiplier",
  "sigma",
  "sensitivity",
  "noiseParameter",
  "noiseStdDev",
  "l1Sensitivity",
  "l2Sensitivity",
  "standardDeviation",
  "sensitivities",
  "probabilities",
  "epsilon",
  "delta",
  "rho",
  "xi",
  "samplingProbability",
  "bufferDecay",
  "outputScale",
  "coefficients",
]);

/**
 * Reads an event from JSON, as numbers. Unknown kinds and unknown fields fail, they are never skipped.
 *
 * @param json the value that `JSON.parse` gave
 * @returns an immutable event whose parameters are in range
 * @throws PrivacyError UNKNOWN_EVENT, INVALID_EVENT
 */
export function parseDpEvent(json: unknown): DpEvent {
  return parseWith(jsonSchema, json);
}

/**
 * Reads an event whose reals are decimal strings, as ledger entries have it.
 *
 * @throws PrivacyError UNKNOWN_EVENT, INVALID_EVENT
 */
export function parseDecimalDpEvent(json: unknown): DpEvent {
  return parseWith(decimalSchema, json);
}

/** JSON whose only numbers are integers. */
export type DecimalJson = string | number | readonly DecimalJson[] | { readonly [key: string]: DecimalJson };

/** @returns the event with every real as a decimal string, the inverse of `parseDecimalDpEvent` */
export function decimalDpEvent(event: DpEvent): { readonly [key: string]: DecimalJson } {
  const out: { [key: string]: DecimalJson } = {};
  for (const [key, value] of Object.entries(event)) {
    if (value !== undefined) {
      out[key] = decimalField(key, value);
    }
  }
  return out;
}

type EventField = string | number | DpEvent | readonly (number | DpEvent)[];

function decimalField(key: string, value: EventField): DecimalJson {
  if (typeof value === "string") {
    return value;
  }
  if (typeof value === "number") {
    return REAL_FIELDS.has(key) ? String(value) : value;
  }
  if (isList(value)) {
    return value.map((item) => decimalField(key, item));
  }
  return decimalDpEvent(value);
}

function isList(value: DpEvent | readonly (number | DpEvent)[]): value is readonly (number | DpEvent)[] {
  return Array.isArray(value);
}

function parseWith(schema: z.ZodMiniType<DpEvent>, json: unknown): DpEvent {
  checkShape(json);
  const result = z.safeParse(schema, json);
  if (result.success) {
    return result.data;
  }
  const issue = result.error.issues[0];
  const path = issue === undefined || issue.path.length === 0 ? "the event" : issue.path.join(".");
  const unknownKind = issue?.code === "invalid_union" && issue.path.at(-1) === "type";
  throw new PrivacyError(
    unknownKind ? "UNKNOWN_EVENT" : "INVALID_EVENT",
    unknownKind
      ? `${path} names no event this package knows. The events are listed in its README.`
      : `${path}: ${issue?.message ?? "is not an event"}.`,
  );
}

/** Bounds depth and number of nested events before the schema recurses into them. */
function checkShape(json: unknown): void {
  const pending: { value: unknown; depth: number }[] = [{ value: json, depth: 1 }];
  let seen = 0;
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    const { value, depth } = item;
    seen += 1;
    if (depth > MAX_DEPTH || seen > MAX_EVENTS) {
      throw new PrivacyError(
        "INVALID_EVENT",
        `An event may nest ${MAX_DEPTH} levels and hold ${MAX_EVENTS} events; this one has more. Use SelfComposed.`,
      );
    }
    if (typeof value !== "object" || value === null) {
      continue;
    }
    if ("event" in value) {
      pending.push({ value: value.event, depth: depth + 1 });
    }
    if ("events" in value && Array.isArray(value.events)) {
      for (const inner of value.events) {
        pending.push({ value: inner, depth: depth + 1 });
      }
    }
  }
}
