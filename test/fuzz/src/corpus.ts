import type { Draw } from "./mutation.js";

/** A decoder and what it is tried with. */
export interface Fuzzed {
  readonly name: string;
  /** Inputs of a long run; a short one takes a part of them, at least twenty. */
  readonly inputs: number;
  /** An input made from the seed corpus by the draw. */
  readonly make: (draw: Draw) => unknown;
  /**
   * Decodes an input, and where it is taken checks that writing it again gives the same.
   *
   * @throws `Broken` when it does not; whatever the decoder throws
   */
  readonly decode: (input: never) => unknown;
  /** Whether what was thrown is the refusal that the decoder is documented to give. */
  readonly isRefusal: (cause: unknown) => boolean;
  /** Inputs of the seed corpus that must be taken, so that a decoder that refuses all is found out. */
  readonly valid: readonly unknown[];
  /** Answers with what it found, or takes any text: that it refuses something is not to be expected. */
  readonly neverRefuses?: boolean;
}

/** What was decoded does not come out again. */
export class Broken extends Error {}

/** @throws Broken where the two are not the same as JSON, whose bigints are written as text */
export function same(what: unknown, again: unknown): void {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_name, inner: unknown) => (typeof inner === "bigint" ? `${inner}n` : inner)) ?? "undefined";
  if (text(what) !== text(again))
    throw new Broken(`came ${text(what).slice(0, 500)}, went out as ${text(again).slice(0, 500)}`);
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Random bytes of a corpus are fixed: made by hashing, not drawn. */
export function fixed(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (Math.imul(i + 1, 2654435761) + Math.imul(salt, 40503)) >>> 13);
}
