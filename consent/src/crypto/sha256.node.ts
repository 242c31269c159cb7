import { hash } from "node:crypto";

/** SHA-256 by node:crypto, several times faster than plain JavaScript. */
export function sha256(bytes: Uint8Array): Uint8Array {
  // As text of one character a byte: a Buffer lies outside of the heap, and costs more than the hash to make and to free.
  const text = hash("sha256", bytes, "binary");
  const digest = new Uint8Array(32);
  for (let at = 0; at < 32; at++) digest[at] = text.charCodeAt(at);
  return digest;
}
