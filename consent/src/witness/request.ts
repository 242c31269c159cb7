// The add-checkpoint request of C2SP tlog-witness.
import { LedgerError } from "../errors.js";
import { hashLines, parseCount, parseHashLines } from "../log/stored-proof.js";

/** What a log asks a witness to cosign. */
export interface AddCheckpoint {
  /** Size of the checkpoint that the witness cosigned last; 0 for none. */
  readonly oldSize: number;
  /** Consistency proof from there; empty for 0. */
  readonly proof: readonly Uint8Array[];
  /** The signed checkpoint. */
  readonly checkpoint: string;
}

/** The body of a request. */
export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  return `old ${oldSize}\n${hashLines(proof)}\n${checkpoint}`;
}

/**
 * Parses the body of a request.
 * @throws LedgerError BAD_PROOF, BAD_ENCODING
 */
export function parseAddCheckpoint(body: string): AddCheckpoint {
  const end = body.indexOf("\n\n");
  const [first, ...lines] = body.slice(0, Math.max(end, 0)).split("\n");
  if (end < 0 || first === undefined || !first.startsWith("old "))
    throw new LedgerError("BAD_PROOF", 'A request is a line "old N", hashes, an empty line and a checkpoint.');
  const oldSize = parseCount(first.slice("old ".length));
  const proof = parseHashLines(lines);
  if (oldSize === 0 && proof.length > 0) throw new LedgerError("BAD_PROOF", "From size 0 there is nothing to prove.");
  return { oldSize, proof, checkpoint: body.slice(end + 2) };
}
