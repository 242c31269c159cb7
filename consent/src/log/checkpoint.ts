// Checkpoints (C2SP tlog-checkpoint): a signed note of three lines, origin, size and root. Extension lines are refused.
import type { SignatureVerifier } from "../crypto/ed25519.js";
import { decodeBase64, encodeBase64 } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { hashBytes } from "./hashing.js";
import { type NoteSigner, type OpenedNote, openNote, parseNote, signNote } from "./note.js";
import { isSignerName, parseVkey } from "./verifier-key.js";

/** A log's state: which log, how many entries, and the root over them. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** Whose signatures a checkpoint must carry. */
export interface CheckpointTrust {
  /** The log's verifier key; its name is the origin. */
  readonly vkey: string;
  /** Verifier keys of witnesses whose cosignatures count. */
  readonly witnesses?: readonly string[];
  /** How many of the witnesses must have signed; none unless stated. */
  readonly quorum?: number;
}

/** A checkpoint whose signatures verified. */
export interface OpenedCheckpoint extends Checkpoint {
  /** Names and times (seconds since 1970) of the witnesses that signed. */
  readonly witnesses: readonly { readonly name: string; readonly timestampSeconds: number }[];
}

/**
 * The three lines that are signed.
 * @throws LedgerError BAD_CHECKPOINT when the origin, size or root cannot stand in a checkpoint.
 */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  if (!isSignerName(origin)) throw new LedgerError("BAD_CHECKPOINT", "An origin has no spaces and is not empty.");
  if (!Number.isSafeInteger(size) || size < 0)
    throw new LedgerError("BAD_CHECKPOINT", `A tree size is an integer from 0, not ${size}.`);
  if (root.length !== hashBytes)
    throw new LedgerError("BAD_CHECKPOINT", `A root has ${hashBytes} bytes, not ${root.length}.`);
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/**
 * Parses the signed text of a checkpoint.
 * @throws LedgerError BAD_CHECKPOINT
 */
export function parseCheckpointText(text: string): Checkpoint {
  const lines = text.split("\n");
  const [origin, sizeText, rootText, end] = lines;
  if (origin === undefined || sizeText === undefined || rootText === undefined || end !== "" || lines.length !== 4)
    throw new LedgerError("BAD_CHECKPOINT", "A checkpoint has exactly three lines: origin, size, root.");
  if (origin === "" || origin.endsWith("\r"))
    throw new LedgerError("BAD_CHECKPOINT", "A checkpoint's origin is empty.");
  const size = Number(sizeText);
  if (!/^(0|[1-9][0-9]{0,15})$/.test(sizeText) || !Number.isSafeInteger(size))
    throw new LedgerError("BAD_CHECKPOINT", "A tree size is a plain decimal integer up to 2^53 − 1.");
  let root: Uint8Array;
  try {
    root = decodeBase64(rootText);
  } catch (cause) {
    throw new LedgerError("BAD_CHECKPOINT", "The root is not base64.", { cause });
  }
  if (root.length !== hashBytes)
    throw new LedgerError("BAD_CHECKPOINT", `A root has ${hashBytes} bytes, not ${root.length}.`);
  return { origin, size, root };
}

/**
 * A checkpoint as a signed note. The signer's name must be the origin.
 * @throws LedgerError BAD_CHECKPOINT
 */
export async function signCheckpoint(checkpoint: Checkpoint, signer: NoteSigner): Promise<string> {
  if (signer.key.name !== checkpoint.origin)
    throw new LedgerError("BAD_CHECKPOINT", `The signer ${signer.key.name} does not speak for ${checkpoint.origin}.`);
  return signNote(checkpointText(checkpoint), signer);
}

/**
 * Opens a checkpoint: the log's own signature must be there and hold, and so must the quorum of witnesses.
 * @throws LedgerError BAD_NOTE, BAD_ENCODING, BAD_KEY, BAD_CHECKPOINT, BAD_SIGNATURE
 */
export async function openCheckpoint(
  note: string,
  trust: CheckpointTrust,
  verifier: SignatureVerifier,
): Promise<OpenedCheckpoint> {
  const logKey = parseVkey(trust.vkey);
  const witnessKeys = (trust.witnesses ?? []).map(parseVkey);
  const opened: OpenedNote = await openNote(note, [logKey, ...witnessKeys], verifier);
  const checkpoint = parseCheckpointText(opened.text);
  if (checkpoint.origin !== logKey.name)
    throw new LedgerError("BAD_CHECKPOINT", `The checkpoint is of ${checkpoint.origin}, the key of ${logKey.name}.`);
  if (!opened.verified.some(({ key }) => key === logKey))
    throw new LedgerError("BAD_SIGNATURE", `The checkpoint does not carry the signature of ${logKey.name}.`);
  const witnesses = opened.verified.flatMap(({ key, timestampSeconds }) =>
    key !== logKey && timestampSeconds !== null ? [{ name: key.name, timestampSeconds }] : [],
  );
  const quorum = trust.quorum ?? 0;
  if (witnesses.length < quorum)
    throw new LedgerError(
      "BAD_CHECKPOINT",
      `${quorum} of ${witnessKeys.length} witnesses must have signed; ${witnesses.length} have.`,
    );
  return { ...checkpoint, witnesses };
}

/**
 * Reads a checkpoint without checking any signature, to learn which log and size it speaks of.
 * @throws LedgerError BAD_NOTE, BAD_ENCODING, BAD_CHECKPOINT
 */
export function readUnverifiedCheckpoint(note: string): Checkpoint {
  return parseCheckpointText(parseNote(note).text);
}
