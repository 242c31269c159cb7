import type { RandomSource } from "../../random/source.js";
import { SecAggError } from "../errors.js";
import { fieldFor, type PackedField } from "./field.js";

/** One point of the polynomials that hide a secret. */
export interface Share {
  /** The holder's coordinate, from 1. */
  readonly x: number;
  /** As long as the secret. */
  readonly value: Uint8Array;
}

/** How a secret is shared. */
export interface Sharing {
  /** Number of shares made. */
  readonly holders: number;
  /** Shares that rebuild the secret; one less tells nothing about it. */
  readonly threshold: number;
}

/**
 * Shares a secret among holders with coordinates 1 … holders (Shamir 1979), byte by byte over GF(2^8) up to 255 holders
 * and two bytes at a time, little-endian, over GF(2^16) above.
 *
 * @param secret a multiple of 4 bytes
 * @returns the values in order of the coordinates
 * @throws SecAggError BAD_PARAMETERS
 */
export function shareSecret(secret: Uint8Array, sharing: Sharing, random: RandomSource): Uint8Array[] {
  const field = checkedField(sharing, secret.length);
  const secretWords = wordsOf(secret);
  const words = secretWords.length;
  const coefficients = new Uint32Array((sharing.threshold - 1) * words);
  random.fill(new Uint8Array(coefficients.buffer));
  const values: Uint8Array[] = [];
  for (let x = 1; x <= sharing.holders; x++) {
    const value = new Uint32Array(words);
    for (let power = sharing.threshold - 2; power >= 0; power--) {
      field.scaleAdd(value, x, coefficients.subarray(power * words, (power + 1) * words));
    }
    field.scaleAdd(value, x, secretWords);
    values.push(new Uint8Array(value.buffer));
  }
  coefficients.fill(0);
  secretWords.fill(0);
  return values;
}

/**
 * Rebuilds a secret from exactly `threshold` shares by Lagrange interpolation at 0. It cannot know whether a share is
 * false: compare the result with what was committed to.
 *
 * @throws SecAggError BAD_PARAMETERS when shares are too few, too many, of different lengths, or at equal coordinates
 */
export function rebuildSecret(shares: readonly Share[], sharing: Sharing): Uint8Array {
  const length = shares[0]?.value.length ?? 0;
  const field = checkedField(sharing, length);
  if (shares.length !== sharing.threshold) {
    throw new SecAggError("BAD_PARAMETERS", `${sharing.threshold} shares rebuild this secret; got ${shares.length}.`);
  }
  const coordinates = shares.map((share) => share.x);
  const valid = coordinates.every((x) => Number.isInteger(x) && x >= 1 && x <= sharing.holders);
  if (!valid || new Set(coordinates).size !== shares.length || shares.some((share) => share.value.length !== length)) {
    throw new SecAggError("BAD_PARAMETERS", "Shares need distinct coordinates from 1 to the holders, and one length.");
  }
  const weights = lagrangeAtZero(coordinates, field);
  const secret = new Uint32Array(length / 4);
  shares.forEach((share, i) => {
    const words = wordsOf(share.value);
    field.addScaled(secret, weights[i] ?? 0, words);
    words.fill(0);
  });
  return new Uint8Array(secret.buffer);
}

/** Weight of each share: Π x_j / (x_j − x_i); subtraction is exclusive or. */
function lagrangeAtZero(coordinates: readonly number[], field: PackedField): number[] {
  return coordinates.map((own) => {
    let numerator = 1;
    let denominator = 1;
    for (const other of coordinates) {
      if (other === own) continue;
      numerator = field.multiplyPublic(numerator, other);
      denominator = field.multiplyPublic(denominator, other ^ own);
    }
    return field.dividePublic(numerator, denominator);
  });
}

/** A copy with its own alignment. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer);
}

function checkedField({ holders, threshold }: Sharing, length: number): PackedField {
  const field = fieldFor(holders);
  if (!Number.isInteger(holders) || holders < 1 || holders > field.maximumHolders) {
    throw new SecAggError("BAD_PARAMETERS", `Shares go to 1 … ${field.maximumHolders} holders; asked for ${holders}.`);
  }
  if (!Number.isInteger(threshold) || threshold < 2 || threshold > holders) {
    throw new SecAggError("BAD_PARAMETERS", `The threshold must be from 2 to ${holders}; it is ${threshold}.`);
  }
  if (length === 0 || length % 4 !== 0) {
    throw new SecAggError("BAD_PARAMETERS", `A secret has a multiple of 4 bytes; this has ${length}.`);
  }
  return field;
}
