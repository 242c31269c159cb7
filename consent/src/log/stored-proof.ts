// Proofs as files (C2SP tlog-proof): index, inclusion path and signed checkpoint, verifiable offline. With the entry as
// extra data such a file is a complete receipt.
import type { SignatureVerifier } from "../crypto/ed25519.js";
import { decodeBase64, encodeBase64 } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { type CheckpointTrust, type OpenedCheckpoint, openCheckpoint } from "./checkpoint.js";
import { hashBytes, leafHash } from "./hashing.js";
import { verifyInclusion } from "./proofs.js";

const firstLine = "c2sp.org/tlog-proof@v1";
const maxPath = 63;

/** What a proof file holds; nothing of it is verified. */
export interface StoredProof {
  /** Application data that the proof itself does not vouch for; fedloop's receipts keep the entry here. */
  readonly extra: Uint8Array | null;
  readonly index: number;
  /** Audit path, leaf to root. */
  readonly path: readonly Uint8Array[];
  /** The signed checkpoint. */
  readonly checkpoint: string;
}

/** Lines of base64, one a hash. */
export function hashLines(hashes: readonly Uint8Array[]): string {
  return hashes.map((hash) => `${encodeBase64(hash)}\n`).join("");
}

/**
 * Hashes of lines of base64.
 * @throws LedgerError BAD_PROOF for more than 63, or hashes not of 32 bytes; BAD_ENCODING.
 */
export function parseHashLines(lines: readonly string[]): Uint8Array[] {
  if (lines.length > maxPath) throw new LedgerError("BAD_PROOF", `A proof has at most ${maxPath} hashes.`);
  return lines.map((line) => {
    const hash = decodeBase64(line);
    if (hash.length !== hashBytes) throw new LedgerError("BAD_PROOF", `A proof's hashes have ${hashBytes} bytes.`);
    return hash;
  });
}

/** A plain decimal number up to 2^53 − 1, without leading zeros. @throws LedgerError BAD_PROOF */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text) || !Number.isSafeInteger(value))
    throw new LedgerError("BAD_PROOF", "A size or index is a plain decimal integer up to 2^53 − 1.");
  return value;
}

/** The text of a proof file. */
export function formatStoredProof({ extra, index, path, checkpoint }: StoredProof): string {
  const extraLine = extra === null ? "" : `extra ${encodeBase64(extra)}\n`;
  return `${firstLine}\n${extraLine}index ${index}\n${hashLines(path)}\n${checkpoint}`;
}

/**
 * Parses a proof file.
 * @throws LedgerError BAD_PROOF, BAD_ENCODING
 */
export function parseStoredProof(text: string): StoredProof {
  const end = text.indexOf("\n\n");
  if (end < 0) throw new LedgerError("BAD_PROOF", "A proof has an empty line before its checkpoint.");
  const [version, ...lines] = text.slice(0, end).split("\n");
  if (version !== firstLine) throw new LedgerError("BAD_PROOF", `A proof begins with ${firstLine}.`);
  const extra = lines[0]?.startsWith("extra ") ? decodeBase64(lines.shift()?.slice("extra ".length) ?? "") : null;
  const indexLine = lines.shift() ?? "";
  if (!indexLine.startsWith("index ")) throw new LedgerError("BAD_PROOF", 'A proof has a line "index N".');
  const index = parseCount(indexLine.slice("index ".length));
  return { extra, index, path: parseHashLines(lines), checkpoint: text.slice(end + 2) };
}

/** An entry with the checkpoint that it is proven to be under. */
export interface VerifiedReceipt {
  readonly entry: Uint8Array;
  readonly index: number;
  readonly checkpoint: OpenedCheckpoint;
}

/**
 * Verifies a receipt: a proof file whose extra data are the entry.
 * @throws LedgerError BAD_PROOF when there is no entry or the path does not lead to the root; errors of
 * `openCheckpoint` for the checkpoint.
 */
export async function verifyReceipt(
  text: string,
  trust: CheckpointTrust,
  verifier: SignatureVerifier,
): Promise<VerifiedReceipt> {
  const { extra, index, path, checkpoint: note } = parseStoredProof(text);
  if (extra === null) throw new LedgerError("BAD_PROOF", "The proof holds no entry; a receipt has it as extra data.");
  const checkpoint = await openCheckpoint(note, trust, verifier);
  const { size, root } = checkpoint;
  if (!verifyInclusion({ leafHash: leafHash(extra), index, size, path, root }))
    throw new LedgerError("BAD_PROOF", `The entry is not at index ${index} of the checkpoint's ${size} entries.`);
  return { entry: extra, index, checkpoint };
}
