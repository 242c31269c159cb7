import * as z from "zod/mini";
import { PrivacyError } from "../errors.js";
import type { DpEvent, DpEventType } from "./events.js";

/** Events nest a few levels in practice; these limits keep a hostile file from costing more than its size. */
const MAX_DEPTH = 32;
const MAX_EVENTS = 100_000;
const MAX_LIST = 100_000;
const MAX_BUFFERS = 64;

type Schema<T> = z.ZodMiniType<T>;

const type = z.string();
const real = z.number();
const positive = real.check(z.refine((value) => value > 0, { error: "must be above 0" }));
const atLeast0 = real.check(z.refine((value) => value >= 0, { error: "must be at least 0" }));
const probability = real.check(z.refine((value) => value >= 0 && value <= 1, { error: "must be between 0 and 1" }));
const count = (minimum: number): Schema<number> => z.int().check(z.gte(minimum));
const list = (item: Schema<number>, limit: number): Schema<number[]> =>
  z.array(item).check(z.minLength(1), z.maxLength(limit));
const participation = { steps: count(1), minSeparation: count(1), maxParticipations: count(1) };
/** An event within another: read by itself. */
const nested = z.unknown();

/** The closed vocabulary: the members of each kind. */
const KINDS: ReadonlyMap<unknown, Schema<object>> = new Map<unknown, Schema<object>>(
  Object.entries({
    NoOp: z.strictObject({ type }),
    NonPrivate: z.strictObject({ type }),
    Gaussian: z.strictObject({ type, noiseMultiplier: positive }),
    Laplace: z.strictObject({ type, noiseMultiplier: positive }),
    DiscreteGaussian: z.strictObject({
      type,
      sigma: positive,
      sensitivity: positive,
      dimension: z.optional(count(1)),
    }),
    DiscreteLaplace: z.strictObject({ type, noiseParameter: positive, sensitivity: positive }),
    Skellam: z.strictObject({ type, noiseStdDev: positive, l1Sensitivity: positive, l2Sensitivity: positive }),
    DistributedDiscreteGaussian: z.strictObject({
      type,
      noiseStdDev: positive,
      devices: count(1),
      l1Sensitivity: positive,
      l2Sensitivity: positive,
      dimension: count(1),
    }),
    MixtureOfGaussians: z
      .strictObject({
        type,
        standardDeviation: positive,
        sensitivities: list(atLeast0, 1000),
        probabilities: list(probability, 1000),
      })
      .check(
        z.refine(
          ({ sensitivities, probabilities }) =>
            sensitivities.length === probabilities.length &&
            Math.abs(probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-9,
          { error: "needs one probability per sensitivity, summing to 1" },
        ),
      ),
    EpsilonDelta: z.strictObject({ type, epsilon: atLeast0, delta: probability }),
    RandomizedResponse: z.strictObject({ type, noiseParameter: probability, buckets: count(1) }),
    Exponential: z.strictObject({ type, epsilon: atLeast0 }),
    ZCdp: z.strictObject({ type, rho: atLeast0, xi: atLeast0 }),
    PoissonSampled: z.strictObject({ type, samplingProbability: probability, event: nested }),
    SampledWithoutReplacement: z
      .strictObject({ type, sourceSize: count(1), sampleSize: count(0), event: nested })
      .check(
        z.refine(({ sourceSize, sampleSize }) => sampleSize <= sourceSize, {
          error: "sampleSize must be at most sourceSize",
        }),
      ),
    Composed: z.strictObject({ type, events: z.array(nested) }),
    SelfComposed: z.strictObject({ type, count: count(0), event: nested }),
    SingleEpochTreeAggregation: z.strictObject({
      type,
      noiseMultiplier: positive,
      stepCounts: list(count(0), MAX_LIST),
    }),
    TreeAggregation: z.strictObject({ type, noiseMultiplier: positive, ...participation }),
    BltMatrixFactorization: z
      .strictObject({
        type,
        noiseMultiplier: positive,
        bufferDecay: list(probability, MAX_BUFFERS),
        outputScale: list(atLeast0, MAX_BUFFERS),
        ...participation,
      })
      .check(
        z.refine(({ bufferDecay, outputScale }) => bufferDecay.length === outputScale.length, {
          error: "needs one outputScale per bufferDecay",
        }),
      ),
    BandedMatrixFactorization: z.strictObject({
      type,
      noiseMultiplier: positive,
      coefficients: list(real, MAX_LIST),
      ...participation,
    }),
  } satisfies { readonly [Type in DpEventType]: Schema<object> }),
);

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
  return new EventReader(false).read(json, "", 1);
}

/**
 * Reads an event whose reals are decimal strings, as ledger entries have it.
 *
 * @throws PrivacyError UNKNOWN_EVENT, INVALID_EVENT
 */
export function parseDecimalDpEvent(json: unknown): DpEvent {
  return new EventReader(true).read(json, "", 1);
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

/** Reads one event with all those within it. */
class EventReader {
  readonly #isDecimal: boolean;
  #seen = 0;

  /** @param isDecimal reals are decimal strings, instead of numbers */
  constructor(isDecimal: boolean) {
    this.#isDecimal = isDecimal;
  }

  read(json: unknown, path: string, depth: number): DpEvent {
    this.#seen += 1;
    if (depth > MAX_DEPTH || this.#seen > MAX_EVENTS)
      throw invalid(
        `An event may nest ${MAX_DEPTH} levels and hold ${MAX_EVENTS} events; this one has more. Use SelfComposed.`,
      );
    if (typeof json !== "object" || json === null || Array.isArray(json))
      throw invalid(`${path.slice(0, -1) || "the event"}: is not an event.`);
    const kind = KINDS.get("type" in json ? json.type : undefined);
    if (kind === undefined)
      throw new PrivacyError(
        "UNKNOWN_EVENT",
        `${path}type names no event this package knows. The events are listed in its README.`,
      );
    const { success, data, error } = kind.safeParse(this.#isDecimal ? numbersOf(json, path) : json);
    if (!success) {
      const [issue] = error.issues;
      const place = `${path}${issue?.path.join(".") ?? ""}`.replace(/\.$/, "") || "the event";
      throw invalid(`${place}: ${issue?.message ?? "is not an event"}.`);
    }
    const read = { ...data } as { event?: unknown; events?: readonly unknown[] };
    if ("event" in read) read.event = this.read(read.event, `${path}event.`, depth + 1);
    if (read.events !== undefined)
      read.events = read.events.map((event, at) => this.read(event, `${path}events.${at}.`, depth + 1));
    return read as DpEvent;
  }
}

function invalid(message: string): PrivacyError {
  return new PrivacyError("INVALID_EVENT", message);
}

/** An event's own members with its reals, which came as decimal strings, as numbers. */
function numbersOf(json: object, path: string): object {
  const numberOf = (text: unknown, place: string): number => {
    // The type first: a number cannot be made of every object, and asking for one runs what the object brings.
    if (typeof text === "string" && String(Number(text)) === text) return Number(text);
    throw invalid(`${place}: must be a decimal string, shortest form.`);
  };
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => {
      if (!REAL_FIELDS.has(key)) return [key, value];
      const place = `${path}${key}`;
      return [
        key,
        Array.isArray(value) ? value.map((item, at) => numberOf(item, `${place}.${at}`)) : numberOf(value, place),
      ];
    }),
  );
}
