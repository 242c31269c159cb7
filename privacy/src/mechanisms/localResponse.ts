import type { RandomizedResponseEvent } from "../accounting/events.js";
import { walshHadamard } from "../encoding/rotation.js";
import { PrivacyError } from "../errors.js";
import { requireInteger, requirePositive } from "../parameters.js";
import { bernoulli } from "../random/bernoulli.js";
import { rationalFromNumber } from "../random/rational.js";
import type { RandomSource } from "../random/source.js";
import { UniformWords } from "../random/words.js";

/** What a participant's single answer is drawn by: local differential privacy, which trusts nobody with the answer. */
export interface LocalResponse {
  readonly type: "k-randomized-response" | "hadamard-response";
  /** Answers are categories 0 … categories − 1. */
  readonly categories: number;
  /** Reports are 0 … outputs − 1. */
  readonly outputs: number;
  /** Probability that a report says nothing: it is drawn from a uniform distribution that is the same for all answers. */
  readonly noiseParameter: number;
  /** ε of one report under replace-one, exactly that of the channel; at most what was asked for. */
  readonly epsilon: number;
  /** What one report costs. */
  readonly event: RandomizedResponseEvent;
}

/** Reports have at most so many values. */
const MOST_OUTPUTS: number = 2 ** 24;

/**
 * Randomized response of k categories: the true one with probability e^ε/(e^ε + k − 1), each other with 1/(e^ε + k − 1).
 * With two categories this is the randomized response of Warner (1965). Best where ε is above about ln k.
 * Source: Kairouz, Oh, Viswanath, "Extremal Mechanisms for Local Differential Privacy" (2016).
 *
 * @throws PrivacyError INVALID_PARAMETER
 */
export function kRandomizedResponse(options: { readonly epsilon: number; readonly categories: number }): LocalResponse {
  const { categories } = options;
  requireInteger("categories", categories, 2, MOST_OUTPUTS);
  const { noiseParameter, epsilon } = noiseFor(options.epsilon, categories);
  const event = { type: "RandomizedResponse", noiseParameter, buckets: categories } as const;
  return { type: "k-randomized-response", categories, outputs: categories, noiseParameter, epsilon, event };
}

/**
 * Hadamard response: a report is a uniform column in which the category's row of a Hadamard matrix is +1 with probability
 * e^ε/(1 + e^ε), else one in which it is −1. Its error grows with √categories only, so it is best for many categories.
 * Any two rows agree in half of the columns, which tell nothing: a report costs at most what a yes or no would.
 * Source: Acharya, Sun, Zhang, "Hadamard Response" (2019), in the form for high privacy.
 *
 * @throws PrivacyError INVALID_PARAMETER
 */
export function hadamardResponse(options: { readonly epsilon: number; readonly categories: number }): LocalResponse {
  const { categories } = options;
  requireInteger("categories", categories, 2, MOST_OUTPUTS - 1);
  const { noiseParameter, epsilon } = noiseFor(options.epsilon, 2);
  // Row 0 is all +1 and tells nothing, so category x has row x + 1.
  const outputs = 2 ** Math.ceil(Math.log2(categories + 1));
  const event = { type: "RandomizedResponse", noiseParameter, buckets: 2 } as const;
  return { type: "hadamard-response", categories, outputs, noiseParameter, epsilon, event };
}

/** The least noise, as a double, whose channel of `buckets` answers costs at most ε. */
function noiseFor(target: number, buckets: number): { readonly noiseParameter: number; readonly epsilon: number } {
  requirePositive("epsilon", target);
  let noiseParameter = buckets / (Math.expm1(target) + buckets);
  if (!(noiseParameter > 2 ** -40)) {
    throw new PrivacyError("INVALID_PARAMETER", `epsilon must be below about 28, not ${target}: it hides nothing.`);
  }
  const cost = (): number => Math.log1p((buckets * (1 - noiseParameter)) / noiseParameter);
  // Rounding may have made it a hair too small.
  while (cost() > target) noiseParameter = Math.min(1, noiseParameter * (1 + 2 ** -52));
  return { noiseParameter, epsilon: cost() };
}

/**
 * Draws a participant's report. Probabilities are exact: no floating-point number is compared.
 *
 * @param response from `kRandomizedResponse` or `hadamardResponse`
 * @param category the true answer
 * @param random the device's cryptographic source
 * @returns the report, 0 … outputs − 1
 * @throws PrivacyError INVALID_PARAMETER when the category is none of them
 */
export function respond(response: LocalResponse, category: number, random: RandomSource): number {
  requireInteger("category", category, 0, response.categories - 1);
  const words = new UniformWords(random, 16);
  const { numerator, denominator } = rationalFromNumber(response.noiseParameter);
  const isNoise = bernoulli(numerator, denominator, words);
  const uniform = Number(words.below(BigInt(response.outputs)));
  if (isNoise) return uniform;
  if (response.type === "k-randomized-response") return category;
  const row = category + 1;
  // The columns with +1 are those that have an even number of bits in common with the row.
  return isEven(uniform & row) ? uniform : uniform ^ (row & -row);
}

function isEven(bits: number): boolean {
  let folded = bits;
  for (let shift = 16; shift >= 1; shift >>= 1) folded ^= folded >>> shift;
  return (folded & 1) === 0;
}

/**
 * How many participants gave each answer, estimated without bias from their reports.
 *
 * @param response what they answered by
 * @param reports how often each report came; length `outputs`
 * @returns one number a category, which may be negative; length `categories`
 * @throws PrivacyError WRONG_LENGTH
 */
export function estimateCounts(response: LocalResponse, reports: Float64Array): Float64Array {
  const { type, categories, outputs, noiseParameter } = response;
  if (reports.length !== outputs) {
    throw new PrivacyError(
      "WRONG_LENGTH",
      `Expected how often each of ${outputs} reports came, not ${reports.length}.`,
    );
  }
  const kept = 1 - noiseParameter;
  if (type === "k-randomized-response") {
    const noise = (noiseParameter / categories) * reports.reduce((sum, count) => sum + count, 0);
    return reports.map((count) => (count - noise) / kept);
  }
  const transformed = reports.slice();
  walshHadamard(transformed);
  return transformed.slice(1, categories + 1).map((count) => count / kept);
}

/**
 * Standard deviation of an estimate of a rare answer's count, from that many participants.
 *
 * @param response what they answer by
 * @param participants how many reports
 */
export function responseStdDev({ type, categories, noiseParameter }: LocalResponse, participants: number): number {
  const kept = 1 - noiseParameter;
  if (type === "hadamard-response") return Math.sqrt(participants) / kept;
  const rate = noiseParameter / categories;
  return Math.sqrt(participants * rate * (1 - rate)) / kept;
}
