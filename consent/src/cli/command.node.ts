import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { parseTrust, type Trust } from "../audit/trust.js";

/** Where a command writes, and whether someone watches. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly isWatched: boolean;
}

/** Everything holds. */
export const exitHolds = 0;
/** Something does not hold: the findings say what. */
export const exitFindings = 1;
/** The command could not be carried out: wrong arguments, or a file that cannot be read or written. */
export const exitUnusable = 2;

/** The arguments or files given cannot be used; the message says what was expected. */
export class UnusableError extends Error {}

/** The bytes of a file, or of the standard input for "-". */
export function openBundle(path: string): AsyncIterable<Uint8Array> {
  return path === "-" ? process.stdin : createReadStream(path, { highWaterMark: 1 << 20 });
}

/** The trust file at a path; no trust where there is none. */
export async function readTrust(path: string | undefined): Promise<Trust> {
  return path === undefined ? {} : parseTrust(await readFile(path, "utf8"));
}

/** JSON for programs: numbers without bound become the word "unbounded". */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => (member === Number.POSITIVE_INFINITY ? "unbounded" : member));
}

/** The one operand of a command. */
export function onlyOperand(operands: readonly string[], what: string): string {
  const [operand] = operands;
  if (operand === undefined || operands.length !== 1)
    throw new UnusableError(`Exactly one ${what} is expected, ${operands.length} were given.`);
  return operand;
}
