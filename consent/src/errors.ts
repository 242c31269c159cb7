/** Why something that should become, or prove, part of a consent ledger was refused. */
export type LedgerErrorCode =
  | "BAD_BUNDLE"
  | "BAD_CHECKPOINT"
  | "BAD_CIPHERTEXT"
  | "BAD_ENCODING"
  | "BAD_ENTRY"
  | "BAD_KEY"
  | "BAD_NOTE"
  | "BAD_PROOF"
  | "BAD_SIGNATURE"
  | "BAD_TILE"
  | "CHAIN_BROKEN"
  | "KEY_LOST"
  | "NOT_CANONICAL"
  | "NO_QUORUM"
  | "OUT_OF_RANGE"
  | "STALE_POLICY"
  | "TOO_DEEP"
  | "TOO_LARGE"
  | "WITHDRAWN_LATER"
  | "WRONG_SUBJECT";

/** One sentence for each code, as the README prints them. */
export const ledgerErrors: { readonly [Code in LedgerErrorCode]: string } = {
  BAD_BUNDLE: "A bundle to be written is incomplete or out of order, or a bundle to be read has no readable frame.",
  BAD_CHECKPOINT: "A checkpoint is not origin, size and root in the C2SP form, or does not carry the log's signature.",
  BAD_CIPHERTEXT: "A ciphertext was changed, moved to another place, or made under another key.",
  BAD_ENCODING: "Text is not the one canonical form of base64, base64url, a decimal number or UTF-8.",
  BAD_ENTRY: "A log entry has a field too many, too few, or of a value its type does not allow.",
  BAD_KEY: "A public key has the wrong length, is no canonical point, or is a point of small order.",
  BAD_NOTE: "A signed note, its verifier key or a signature line is malformed, or no known key signed it.",
  BAD_PROOF: "A stored proof, a witness request or fork evidence is malformed, or does not prove what it says.",
  BAD_SIGNATURE: "A signature does not verify under the key that should have made it.",
  BAD_TILE: "A tile path or the bytes of a tile are malformed.",
  CHAIN_BROKEN: "An actor's sequence number or previous hash does not continue its own chain.",
  KEY_LOST: "A key-encryption key of the vault is not at hand.",
  NOT_CANONICAL: "JSON is not in the ledger's canonical form (RFC 8785 without fractions).",
  NO_QUORUM: "Fewer witnesses cosigned a checkpoint than the policy demands.",
  OUT_OF_RANGE: "An index or tree size lies outside the log.",
  STALE_POLICY: "A consent refers to a policy, notice or purpose that is not the one in force.",
  TOO_DEEP: "JSON is nested deeper than allowed.",
  TOO_LARGE: "An entry or document is longer than allowed.",
  WITHDRAWN_LATER: "A consent does not supersede the latest decision about the same purpose.",
  WRONG_SUBJECT: "A consent speaks for someone other than the actor who signed it.",
};

/**
 * The one error of this package. The message says what was expected, what came and what to do; it never holds secret
 * material.
 */
export class LedgerError extends Error {
  readonly code: LedgerErrorCode;

  constructor(code: LedgerErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "LedgerError";
    this.code = code;
  }
}
