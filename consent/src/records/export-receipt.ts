import type { SignatureVerifier } from "../crypto/ed25519.js";
import { encodeUtf8 } from "../crypto/encoding.js";
import { sha256Text } from "../crypto/hash.js";

/** What a receipt for an export says, beside the operator's signature. */
export interface ExportClaim {
  readonly log: string;
  /** The participant's pseudonym. */
  readonly subject: string;
  /** When it was exported, milliseconds since 1970. */
  readonly timeMs: number;
  /** The exported bytes. */
  readonly document: Uint8Array;
}

/** What the operator signs: `"fedloop-export/v1\n"` and, a line each, log, subject, time and SHA-256 of the document. */
export function exportMessage({ log, subject, timeMs, document }: ExportClaim): Uint8Array {
  return encodeUtf8(`fedloop-export/v1\n${log}\n${subject}\n${timeMs}\n${sha256Text(document)}\n`);
}

/** Whether the operator, by the key of the log's policies (32 bytes), gave out exactly this export. */
export async function verifyExport(
  claim: ExportClaim,
  signature: Uint8Array,
  operatorKey: Uint8Array,
  verifier: SignatureVerifier,
): Promise<boolean> {
  return verifier.verify(operatorKey, exportMessage(claim), signature);
}
