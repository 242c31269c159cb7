// How signatures travel to a worker thread: one buffer of records [key 32 | signature 64 | length 4 | message].
import { publicKeyBytes, signatureBytes } from "./ed25519.js";

/** Keys kept for a whole log: most sign one entry or a few, and what is kept longer has the garbage collector look at it. */
export const keptKeys = 4_096;

const headBytes = publicKeyBytes + signatureBytes + 4;

/** One signature to check. */
export interface SignatureCheck {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Packs checks; keys and signatures have their proper lengths. */
export function packChecks(checks: readonly SignatureCheck[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const { message } of checks) length += headBytes + message.length;
  const batch = new Uint8Array(length);
  const view = new DataView(batch.buffer);
  let at = 0;
  for (const { publicKey, message, signature } of checks) {
    batch.set(publicKey, at);
    batch.set(signature, at + publicKeyBytes);
    view.setUint32(at + publicKeyBytes + signatureBytes, message.length);
    batch.set(message, at + headBytes);
    at += headBytes + message.length;
  }
  return batch;
}

/** Unpacks what {@link packChecks} packed; the parts are views. */
export function unpackChecks(batch: Uint8Array): SignatureCheck[] {
  const view = new DataView(batch.buffer, batch.byteOffset);
  const checks: SignatureCheck[] = [];
  for (let at = 0; at < batch.length; ) {
    const end = at + headBytes + view.getUint32(at + publicKeyBytes + signatureBytes);
    checks.push({
      publicKey: batch.subarray(at, at + publicKeyBytes),
      signature: batch.subarray(at + publicKeyBytes, at + publicKeyBytes + signatureBytes),
      message: batch.subarray(at + headBytes, end),
    });
    at = end;
  }
  return checks;
}
