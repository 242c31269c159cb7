/** A registered device: one key, in one population, under one pseudonym. */
export interface Device {
  /** base64url of 16 bytes. */
  readonly id: string;
  readonly population: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The pseudonym under which the ledger knows the participant here: base64url of 16 bytes. */
  readonly subject: string;
  /** base64url of 16 bytes; null when no session is open. */
  readonly session: string | null;
  readonly sessionExpiresMs: number;
}
