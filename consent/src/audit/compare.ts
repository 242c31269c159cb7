// Is one bundle's log a prefix of the other's? If not, both signed heads prove the fork to anyone.
import { parseCheckpointLine, parseHeaderLine } from "../bundle/format.js";
import { bundleLines } from "../bundle/read.js";
import type { Stream } from "../bundle/write.js";
import { equalBytes } from "../crypto/bytes.js";
import type { SignatureVerifier } from "../crypto/ed25519.js";
import { LedgerError } from "../errors.js";
import { type OpenedCheckpoint, openCheckpoint } from "../log/checkpoint.js";
import { forkRanges, formatForkEvidence } from "../log/fork.js";
import { leafHash } from "../log/hashing.js";
import { MerkleTree } from "../log/tree.js";

/** How two bundles relate. */
export interface Comparison {
  /** The newer log extends the older one. */
  readonly consistent: boolean;
  readonly log: string;
  readonly oldSize: number;
  readonly newSize: number;
  /** Index of the first entry in which they differ; null when consistent. */
  readonly forkIndex: number | null;
  /** The text of a fork evidence file; null when consistent. */
  readonly evidence: string | null;
}

interface Head {
  readonly vkey: string;
  readonly note: string;
  readonly checkpoint: OpenedCheckpoint;
  readonly tree: MerkleTree;
}

/** The tree and signed head of a bundle: signatures of entries are `verifyBundle`'s to check. */
async function headOf(source: Stream<Uint8Array>, verifier: SignatureVerifier, signal?: AbortSignal): Promise<Head> {
  let vkey: string | undefined;
  let entries = 0;
  let last: Uint8Array = new Uint8Array(0);
  const tree = new MerkleTree();
  for await (const lines of bundleLines(source, signal)) {
    for (const { bytes } of lines) {
      if (vkey === undefined) {
        ({ vkey, entries } = parseHeaderLine(bytes));
      } else if (tree.size < entries) {
        tree.append(leafHash(bytes));
      } else {
        last = bytes;
      }
    }
  }
  if (vkey === undefined) throw new LedgerError("BAD_BUNDLE", "The bundle is empty.");
  const note = parseCheckpointLine(last);
  const checkpoint = await openCheckpoint(note, { vkey }, verifier);
  if (checkpoint.size !== tree.size || !equalBytes(checkpoint.root, tree.root()))
    throw new LedgerError("BAD_BUNDLE", "The bundle's entries are not those of its checkpoint; verify it first.");
  return { vkey, note, checkpoint, tree };
}

/**
 * Compares two bundles of one log.
 * @throws LedgerError BAD_BUNDLE when a bundle is not whole, or they are not of the same log and key, or the first one is
 * the larger; errors of `openCheckpoint`.
 */
export async function compareBundles(
  older: Stream<Uint8Array>,
  newer: Stream<Uint8Array>,
  options: { readonly verifier: SignatureVerifier; readonly signal?: AbortSignal },
): Promise<Comparison> {
  const { verifier, signal } = options;
  const old = await headOf(older, verifier, signal);
  const now = await headOf(newer, verifier, signal);
  if (old.vkey !== now.vkey)
    throw new LedgerError(
      "BAD_BUNDLE",
      `The bundles are of ${old.vkey} and ${now.vkey}; only bundles of one log and key can be compared.`,
    );
  const { origin: log, size: oldSize } = old.checkpoint;
  const { size: newSize } = now.checkpoint;
  if (oldSize > newSize)
    throw new LedgerError(
      "BAD_BUNDLE",
      `The first bundle has ${oldSize} entries, the second ${newSize}: exchange them.`,
    );
  if (equalBytes(old.checkpoint.root, now.tree.root(oldSize)))
    return { consistent: true, log, oldSize, newSize, forkIndex: null, evidence: null };
  let forkIndex = 0;
  while (equalBytes(old.tree.leafHashAt(forkIndex), now.tree.leafHashAt(forkIndex))) forkIndex++;
  const nodes = forkRanges(oldSize, newSize).map(([start, end]) => now.tree.rangeHash(start, end));
  const evidence = formatForkEvidence(old.vkey, old.note, now.note, nodes);
  return { consistent: false, log, oldSize, newSize, forkIndex, evidence };
}
