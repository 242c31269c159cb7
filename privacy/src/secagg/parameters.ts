import { SecAggError } from "./errors.js";
import type { GraphPolicy } from "./graph/policy.js";

/** What every key, signature and mask of a round is bound to. Each field's absence would allow a mix-up of rounds. */
export interface RoundBinding {
  /** 32 bytes that name this population's protocol run, for instance the leaf hash of the plan's log entry. */
  readonly session: Uint8Array;
  /** Number of the round, from 0. */
  readonly round: number;
  /** SHA-256 of the plan, 32 bytes. */
  readonly planHash: Uint8Array;
  /** SHA-256 of the model, 32 bytes. */
  readonly modelHash: Uint8Array;
}

/** Everything about a round that both sides must agree on. The device reads it from the plan's log entry. */
export interface SecAggParameters extends RoundBinding {
  /** Coordinates of a vector. */
  readonly length: number;
  /** The sum is taken modulo 2^bits, 1 to 32. */
  readonly bits: number;
  /** Largest absolute value of one coordinate of one device. */
  readonly valueBound: number;
  /**
   * "impossible": maximumMembers × valueBound < 2^(bits−1), so that no sum wraps. "improbable": the mechanism's noise
   * has no bound, and its analysis gives the probability of a wrap.
   */
  readonly overflow: "impossible" | "improbable";
  /** How devices are paired, and how many of them must stay. */
  readonly graph: GraphPolicy;
  /** A device leaves a round with fewer members (n_min), at least 3. */
  readonly minimumMembers: number;
  /** No round has more members; a larger cohort is split into groups. */
  readonly maximumMembers: number;
  /** A device signs no smaller survivor set; noise is calibrated to it. */
  readonly minimumSurvivors: number;
}

const HASH_BYTES = 32;
/** A sum of this length fills 1 GiB; longer vectors belong into several rounds. */
const MAXIMUM_LENGTH = 2 ** 28;
/** The largest cohort that the graph search is specified for (Bell et al. 2020, section 3.5). */
const MAXIMUM_MEMBERS = 1_000_000;

/**
 * Checks a round's parameters and copies them, so that nothing changes them later.
 *
 * @throws SecAggError BAD_PARAMETERS naming the field
 */
export function secAggParameters(input: SecAggParameters): SecAggParameters {
  requireInteger("round", input.round, 0, Number.MAX_SAFE_INTEGER);
  requireInteger("length", input.length, 1, MAXIMUM_LENGTH);
  requireInteger("bits", input.bits, 1, 32);
  requireInteger("valueBound", input.valueBound, 0, 2 ** (input.bits - 1) - 1);
  requireInteger("minimumMembers", input.minimumMembers, 3, MAXIMUM_MEMBERS);
  requireInteger("maximumMembers", input.maximumMembers, input.minimumMembers, MAXIMUM_MEMBERS);
  requireInteger("minimumSurvivors", input.minimumSurvivors, 2, input.minimumMembers);
  if (input.overflow === "impossible" && input.maximumMembers * input.valueBound >= 2 ** (input.bits - 1)) {
    throw new SecAggError(
      "BAD_PARAMETERS",
      `${input.maximumMembers} members of at most ${input.valueBound} can exceed ${input.bits} bits. Raise bits.`,
    );
  }
  return Object.freeze({
    session: hashCopy("session", input.session),
    round: input.round,
    planHash: hashCopy("planHash", input.planHash),
    modelHash: hashCopy("modelHash", input.modelHash),
    length: input.length,
    bits: input.bits,
    valueBound: input.valueBound,
    overflow: input.overflow,
    graph: Object.freeze({ ...input.graph }),
    minimumMembers: input.minimumMembers,
    maximumMembers: input.maximumMembers,
    minimumSurvivors: input.minimumSurvivors,
  });
}

function requireInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new SecAggError("BAD_PARAMETERS", `${name} must be an integer from ${least} to ${most}; it is ${value}.`);
  }
}

function hashCopy(name: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length !== HASH_BYTES) {
    throw new SecAggError("BAD_PARAMETERS", `${name} must be ${HASH_BYTES} bytes; it has ${bytes.length}.`);
  }
  return new Uint8Array(bytes);
}
