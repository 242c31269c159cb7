/** The device's long-lived Ed25519 key, as `@fedloop/consent` makes it. */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The signature of a message, 64 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array> | Uint8Array;
}

/** Ed25519 (RFC 8032) that is false for small-order keys, non-canonical signatures and wrong lengths. */
export interface SignatureVerifier {
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> | boolean;
}
