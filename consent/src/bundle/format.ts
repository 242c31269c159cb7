// One file with everything an auditor needs: a header line, one line for each entry, one for each blob that entries
// name, and the signed checkpoint as the last line. Every line is canonical JSON and ends with a newline, so a file can
// be written and checked as a stream, and two bundles of the same log are the same bytes.
import * as z from "zod/mini";
import { logName, natural } from "../entries/scalars.js";
import { LedgerError } from "../errors.js";
import { canonicalBytes, parseCanonical } from "../json/canonical.js";

/** The format's name and version, as the header states it. */
export const bundleFormat = "fedloop-bundle/v1";
/** No line is longer: cohort lists are the longest. */
export const maxLineBytes: number = 64 * 1024 * 1024;
const maxHeaderBytes = 65_535;

/** The first line. */
export interface BundleHeader {
  readonly format: typeof bundleFormat;
  /** The log's name, which its entries and its checkpoint repeat. */
  readonly log: string;
  /** Verifier key of the log's checkpoints (C2SP signed-note). */
  readonly vkey: string;
  /** Verifier keys of the witnesses whose cosignatures the checkpoint carries. */
  readonly witnesses: readonly string[];
  readonly entries: number;
  readonly blobs: number;
}

const headerSchema: z.ZodMiniType<BundleHeader> = z.strictObject({
  format: z.literal(bundleFormat),
  log: logName,
  vkey: z.string(),
  witnesses: z.array(z.string()).check(z.maxLength(99)),
  entries: natural,
  blobs: natural,
});

const checkpointSchema: z.ZodMiniType<{ readonly checkpoint: string }> = z.strictObject({ checkpoint: z.string() });

/** The bytes of a header line, without its newline. */
export function headerLine(header: BundleHeader): Uint8Array {
  return canonicalBytes(header);
}

/**
 * The header of a line.
 * @throws LedgerError BAD_BUNDLE, NOT_CANONICAL, BAD_ENCODING, TOO_LARGE, TOO_DEEP
 */
export function parseHeaderLine(line: Uint8Array): BundleHeader {
  const { success, data, error } = headerSchema.safeParse(
    parseCanonical(line, { maxBytes: maxHeaderBytes, maxDepth: 2 }),
  );
  if (success) return data;
  throw new LedgerError("BAD_BUNDLE", `The first line is not the header of a ${bundleFormat} file.`, { cause: error });
}

/** The bytes of the checkpoint line, without its newline. */
export function checkpointLine(checkpoint: string): Uint8Array {
  return canonicalBytes({ checkpoint });
}

/**
 * The signed checkpoint of a line.
 * @throws LedgerError BAD_BUNDLE, NOT_CANONICAL, BAD_ENCODING, TOO_LARGE, TOO_DEEP
 */
export function parseCheckpointLine(line: Uint8Array): string {
  const { success, data, error } = checkpointSchema.safeParse(
    parseCanonical(line, { maxBytes: maxHeaderBytes, maxDepth: 1 }),
  );
  if (success) return data.checkpoint;
  throw new LedgerError("BAD_BUNDLE", "The last line does not hold the signed checkpoint.", { cause: error });
}
