import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";

/** HKDF-SHA-256 (RFC 5869): 32 bytes from a secret, a salt and what they are for. */
export type Hkdf = (secret: Uint8Array, salt: Uint8Array, info: Uint8Array) => Uint8Array;

/** In plain JavaScript. */
export const nobleHkdf: Hkdf = (secret, salt, info) => hkdf(sha256, secret, salt, info, 32);
