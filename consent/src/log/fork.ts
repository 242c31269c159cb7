// Evidence that a log forked: two heads, both signed by its key, that no append-only log can have. It convinces anyone
// who knows the log's key, without trusting who found it.
import * as z from "zod/mini";
import { equalBytes } from "../crypto/bytes.js";
import type { SignatureVerifier } from "../crypto/ed25519.js";
import { decodeBase64, encodeBase64 } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { openCheckpoint, readUnverifiedCheckpoint } from "./checkpoint.js";
import { hashBytes } from "./hashing.js";
import { consistentRoots } from "./proofs.js";
import { consistencyRanges, type LeafRange } from "./ranges.js";

const format = "fedloop-fork/v1";

/** Two signed heads of one log, and what shows that the larger does not extend the smaller. */
export interface ForkEvidence {
  readonly format: typeof format;
  readonly vkey: string;
  /** The signed checkpoint of the smaller (or equal) size. */
  readonly older: string;
  readonly newer: string;
  /**
   * Nodes of the newer tree that lead to its root and to the root over as many entries as the older has, base64; empty
   * for equal sizes.
   */
  readonly nodes: readonly string[];
}

const schema: z.ZodMiniType<ForkEvidence> = z.strictObject({
  format: z.literal(format),
  vkey: z.string(),
  older: z.string(),
  newer: z.string(),
  nodes: z.array(z.string()).check(z.maxLength(64)),
});

/** Ranges of leaves whose hashes {@link ForkEvidence} holds. */
export function forkRanges(oldSize: number, newSize: number): LeafRange[] {
  const ranges = consistencyRanges(oldSize, newSize);
  const complete = Number.isInteger(Math.log2(oldSize)) && oldSize < newSize;
  return complete ? [[0, oldSize], ...ranges] : ranges;
}

/** The evidence as a JSON file. `nodes` are the newer tree's hashes over {@link forkRanges}. */
export function formatForkEvidence(vkey: string, older: string, newer: string, nodes: readonly Uint8Array[]): string {
  const evidence: ForkEvidence = { format, vkey, older, newer, nodes: nodes.map(encodeBase64) };
  return `${JSON.stringify(evidence, null, 2)}\n`;
}

/** What proven evidence says. */
export interface ProvenFork {
  readonly origin: string;
  readonly oldSize: number;
  readonly newSize: number;
}

/**
 * Checks fork evidence: both heads are signed by the key, and they cannot be of one log.
 * @throws LedgerError BAD_PROOF when it proves no fork; errors of `openCheckpoint` for heads that are not the log's.
 */
export async function verifyForkEvidence(text: string, verifier: SignatureVerifier): Promise<ProvenFork> {
  const { vkey, older, newer, nodes } = parseEvidence(text);
  const old = await openCheckpoint(older, { vkey }, verifier);
  const { size, root } = await openCheckpoint(newer, { vkey }, verifier);
  const proven: ProvenFork = { origin: old.origin, oldSize: old.size, newSize: size };
  if (old.size === size) {
    if (equalBytes(old.root, root)) throw new LedgerError("BAD_PROOF", "Both heads are the same: that is no fork.");
    return proven;
  }
  const roots = consistentRoots(old.size, size, nodes.map(decodeBase64));
  if (
    roots === undefined ||
    !nodes.every((node) => decodeBase64(node).length === hashBytes) ||
    !equalBytes(roots.newRoot, root)
  )
    throw new LedgerError("BAD_PROOF", "The nodes do not lead to the newer head's root.");
  if (equalBytes(roots.oldRoot, old.root))
    throw new LedgerError("BAD_PROOF", "The newer head extends the older one: that is no fork.");
  return proven;
}

function parseEvidence(text: string): ForkEvidence {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LedgerError("BAD_PROOF", "Fork evidence is a JSON file.", { cause });
  }
  const { success, data, error } = schema.safeParse(value);
  if (!success) throw new LedgerError("BAD_PROOF", `The file is no evidence of ${format}.`, { cause: error });
  if (readUnverifiedCheckpoint(data.older).size > readUnverifiedCheckpoint(data.newer).size)
    throw new LedgerError("BAD_PROOF", "The older head must not be larger than the newer one.");
  return data;
}
