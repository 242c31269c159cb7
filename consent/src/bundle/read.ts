import { concatBytes } from "../crypto/bytes.js";
import { LedgerError } from "../errors.js";
import { type BundleHeader, maxLineBytes, parseCheckpointLine, parseHeaderLine } from "./format.js";
import type { Stream } from "./write.js";

/** One line of a file. Only the last one can lack its newline. */
export interface BundleLine {
  readonly bytes: Uint8Array;
  readonly terminated: boolean;
}

/** A part of a bundle, in file order. */
export type BundlePart =
  | { readonly type: "header"; readonly header: BundleHeader }
  | { readonly type: "entry"; readonly index: number; readonly bytes: Uint8Array }
  | { readonly type: "blob"; readonly index: number; readonly bytes: Uint8Array }
  | { readonly type: "checkpoint"; readonly checkpoint: string };

/** So many lines are handed on at once that waiting for them costs nothing, and so few that they are not much to hold. */
const linesAtOnce = 64;

/**
 * The lines of a file that arrives in pieces of any size, a few at a time.
 * @throws LedgerError TOO_LARGE for a line over the limit; the signal's reason when aborted.
 */
export async function* bundleLines(
  source: Stream<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<readonly BundleLine[]> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const piece of source) {
    signal?.throwIfAborted();
    let start = 0;
    let lines: BundleLine[] = [];
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
      const last = piece.subarray(start, end);
      lines.push({ bytes: held.length === 0 ? last : concatBytes(...held, last), terminated: true });
      held = [];
      heldBytes = 0;
      start = end + 1;
      if (lines.length < linesAtOnce) continue;
      yield lines;
      lines = [];
    }
    if (lines.length > 0) yield lines;
    if (start < piece.length) {
      held.push(piece.subarray(start));
      heldBytes += piece.length - start;
      if (heldBytes > maxLineBytes)
        throw new LedgerError("TOO_LARGE", `A line of the bundle is longer than ${maxLineBytes} bytes.`);
    }
  }
  if (held.length > 0) yield [{ bytes: concatBytes(...held), terminated: false }];
}

/**
 * The parts of a bundle. Entries and blobs come as bytes: this reads the frame and verifies nothing; see `verifyBundle`.
 * @throws LedgerError BAD_BUNDLE for a broken frame; errors of canonical JSON for the first and last line.
 */
export async function* readBundle(source: Stream<Uint8Array>, signal?: AbortSignal): AsyncGenerator<BundlePart> {
  let header: BundleHeader | undefined;
  let number = 0;
  for await (const lines of bundleLines(source, signal)) {
    for (const { bytes, terminated } of lines) {
      if (!terminated) throw new LedgerError("BAD_BUNDLE", "The bundle's last line is cut off: no newline ends it.");
      if (header === undefined) {
        header = parseHeaderLine(bytes);
        yield { type: "header", header };
        continue;
      }
      const blobIndex = number - header.entries;
      if (blobIndex < 0) yield { type: "entry", index: number, bytes };
      else if (blobIndex < header.blobs) yield { type: "blob", index: blobIndex, bytes };
      else if (blobIndex === header.blobs) yield { type: "checkpoint", checkpoint: parseCheckpointLine(bytes) };
      else throw new LedgerError("BAD_BUNDLE", "The bundle goes on after its checkpoint.");
      number++;
    }
  }
  if (header === undefined) throw new LedgerError("BAD_BUNDLE", "The bundle is empty.");
  if (number !== header.entries + header.blobs + 1)
    throw new LedgerError("BAD_BUNDLE", "The bundle is cut off before its checkpoint; get it again.");
}
