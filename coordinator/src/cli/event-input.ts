/** Mechanism events as JSON from a file or standard input. */
import { readSmallFile } from "../config/yaml-document.js";
import { CoordinatorError } from "../errors.js";
import type { Surroundings } from "./surroundings.js";

/** The largest event that is read, in bytes: a list of a hundred thousand numbers fits. */
const MAX_EVENT_BYTES: number = 4 << 20;

async function readInput({ input, signal }: Surroundings): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of input()) {
    signal.throwIfAborted();
    bytes += part.length;
    if (bytes > MAX_EVENT_BYTES) {
      throw new CoordinatorError("BAD_DATA", `expected an event of at most ${MAX_EVENT_BYTES} bytes, came more`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/**
 * Reads JSON; what it means is not yet known.
 *
 * @param path a file, or "-" for standard input
 * @throws CoordinatorError FILE_UNREADABLE, BAD_DATA
 */
export async function readEventJson(path: string, surroundings: Surroundings): Promise<unknown> {
  const bytes = path === "-" ? await readInput(surroundings) : await readSmallFile(path, MAX_EVENT_BYTES);
  const name = path === "-" ? "standard input" : path;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CoordinatorError(
      "BAD_DATA",
      `${name}: expected one event as JSON, as in {"type":"Gaussian","noiseMultiplier":1}, came something else`,
      { cause },
    );
  }
}

/** An ε in JSON, which has no infinity: a number, or "unbounded" as in the ledger. */
export function epsilonJson(epsilon: number): number | "unbounded" {
  return Number.isFinite(epsilon) ? epsilon : "unbounded";
}
