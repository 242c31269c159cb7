/** What a leader and an aggregator tell one another of a group, beside vectors and what unmasks them. */
import type { UnmaskOutcome } from "@fedloop/privacy/secagg";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";

/** What an aggregator needs to know before the first vector. */
export interface GroupShape {
  readonly length: number;
  readonly bits: number;
}

/** A longer sum would fill more than a gibibyte: the protocol's own bound. */
const MOST_COORDINATES = 2 ** 28;
const shape = z.strictObject({ length: z.int().min(1).max(MOST_COORDINATES), bits: z.int().min(1).max(32) });
const head = z.strictObject({ inconsistent: z.array(z.int().nonnegative()) });
const LINE_END = 10;

export function groupShapeText({ length, bits }: GroupShape): Uint8Array {
  return Buffer.from(JSON.stringify({ length, bits }));
}

/** @throws CoordinatorError BAD_DATA */
export function parseGroupShape(bytes: Uint8Array): GroupShape {
  return read("a group's length and bits", () => shape.parse(JSON.parse(Buffer.from(bytes).toString())));
}

/** A line of JSON, then the sum's residues, 4 bytes each in the machine's order; none of them where a dealer was inconsistent. */
export function groupSumBytes(inconsistent: readonly number[], sum: Uint32Array): Uint8Array {
  const line = Buffer.from(`${JSON.stringify({ inconsistent })}\n`);
  return Buffer.concat([line, new Uint8Array(sum.buffer, sum.byteOffset, sum.byteLength)]);
}

/**
 * @param length of the sum
 * @throws CoordinatorError BAD_DATA
 */
export function parseGroupSum(bytes: Uint8Array, length: number): UnmaskOutcome {
  return read(`a group's sum of ${length} coordinates`, () => {
    const end = bytes.indexOf(LINE_END);
    const { inconsistent } = head.parse(JSON.parse(Buffer.from(bytes.subarray(0, Math.max(end, 0))).toString()));
    const values = Uint8Array.from(bytes.subarray(end + 1));
    if (values.length !== (inconsistent.length === 0 ? 4 * length : 0)) throw new Error(`came ${values.length} bytes`);
    return { correction: new Uint32Array(values.buffer), inconsistent };
  });
}

function read<Value>(what: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (cause) {
    throw new CoordinatorError("BAD_DATA", `expected ${what}, came another message`, { cause });
  }
}
