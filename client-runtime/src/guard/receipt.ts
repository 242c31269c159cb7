import {
  decodeBase64Url,
  type Entry,
  type EntryReader,
  encodeBase64Url,
  entryLeafHash,
  leafHash,
  openCheckpoint,
  type SignatureVerifier,
  verifyConsistency,
  verifyInclusion,
} from "@fedloop/consent";
import type { ConsistencyProof, LogReceipt } from "@fedloop/proto";
import { ClientError } from "../errors.js";

/** A log as a device pinned it. */
export interface PinnedLog {
  /** The first line of every checkpoint. */
  readonly origin: string;
  /** C2SP signed-note verifier key. */
  readonly verifierKey: string;
}

/** A checkpoint whose signature held, and that extends all that were seen before. */
export interface SeenCheckpoint {
  readonly size: number;
  /** base64url, 32 bytes. */
  readonly root: string;
  /** The signed note itself: evidence, should the log fork. */
  readonly note: string;
}

/** An entry that is proven to be in the tree of a checkpoint. */
export interface LoggedEntry<E extends Entry = Entry> {
  readonly entry: E;
  readonly index: number;
  /** base64url. */
  readonly leafHash: string;
  readonly checkpoint: SeenCheckpoint;
}

/** Opens a checkpoint of the pinned log. @throws ClientError GUARD_CHECKPOINT */
export async function openSeenCheckpoint(
  note: string,
  log: PinnedLog,
  verifier: SignatureVerifier,
): Promise<SeenCheckpoint> {
  try {
    const { origin, size, root } = await openCheckpoint(note, { vkey: log.verifierKey }, verifier);
    if (origin !== log.origin) throw new Error(`it is of ${origin}`);
    return { size, root: encodeBase64Url(root), note };
  } catch (cause) {
    throw new ClientError("GUARD_CHECKPOINT", `expected a checkpoint signed by ${log.origin}, came another`, { cause });
  }
}

/**
 * Reads a receipt: the entry is canonical, the checkpoint is the log's own, and the entry lies in its tree. Who wrote
 * the entry is for the caller to check.
 *
 * @param read takes entries of the types that the caller can use, and no others
 * @throws ClientError GUARD_BAD_PLAN when the entry cannot be read, GUARD_CHECKPOINT, GUARD_NOT_IN_LOG
 */
export async function openReceipt<E extends Entry>(
  receipt: LogReceipt,
  log: PinnedLog,
  verifier: SignatureVerifier,
  read: EntryReader<E>,
): Promise<LoggedEntry<E>> {
  let entry: E;
  try {
    entry = read(receipt.entry);
  } catch (cause) {
    throw new ClientError("GUARD_BAD_PLAN", "expected an entry of the due type in canonical form, came none", {
      cause,
    });
  }
  if (entry.log !== log.origin) {
    throw new ClientError("GUARD_BAD_PLAN", `expected an entry of the log ${log.origin}, came one of another log`);
  }
  const checkpoint = await openSeenCheckpoint(receipt.checkpoint, log, verifier);
  const index = Number(receipt.index);
  const included = verifyInclusion({
    leafHash: leafHash(receipt.entry),
    index,
    size: checkpoint.size,
    path: receipt.inclusionPath,
    root: decodeBase64Url(checkpoint.root),
  });
  if (!included) {
    throw new ClientError("GUARD_NOT_IN_LOG", `expected proof that the entry lies at ${index} of ${checkpoint.size}`);
  }
  return { entry, index, leafHash: entryLeafHash(entry), checkpoint };
}

/** Two signed checkpoints of which none extends the other. */
export interface ForkClaim {
  /** The one of the smaller tree, or of the two of one size the one seen first. */
  readonly older: SeenCheckpoint;
  readonly newer: SeenCheckpoint;
  /** The proof that was to join them. */
  readonly path: readonly Uint8Array[];
}

/** The error GUARD_FORK, with what shows it. */
export class ForkError extends ClientError {
  readonly claim: ForkClaim;

  constructor(claim: ForkClaim) {
    super(
      "GUARD_FORK",
      "expected a log that extends what this device has seen, came another; report the evidence kept in the store",
    );
    this.claim = claim;
  }
}

/**
 * That a newer checkpoint extends the last one seen.
 *
 * @param seen null on first contact, when there is nothing to compare
 * @param proof from `seen.size` to `came.size`; not looked at when both are the same tree
 * @throws ForkError
 */
export function requireExtension(
  seen: SeenCheckpoint | null,
  came: SeenCheckpoint,
  proof: Pick<ConsistencyProof, "path"> | undefined,
): void {
  if (seen === null) return;
  if (seen.size === came.size && seen.root === came.root) return;
  const path = proof?.path ?? [];
  const extended =
    seen.size < came.size &&
    verifyConsistency({
      oldSize: seen.size,
      oldRoot: decodeBase64Url(seen.root),
      newSize: came.size,
      newRoot: decodeBase64Url(came.root),
      path,
    });
  if (extended) return;
  const [older, newer] = seen.size <= came.size ? [seen, came] : [came, seen];
  throw new ForkError({ older, newer, path });
}
