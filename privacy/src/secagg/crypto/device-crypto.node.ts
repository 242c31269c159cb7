import { nodeExpander } from "../masking/expander.node.js";
import type { DeviceCrypto, UnmaskCrypto } from "./device-crypto.js";
import { nodeHkdf } from "./hkdf.node.js";
import { nodeKeyAgreement } from "./key-agreement.node.js";
import { nodeShareCipher } from "./share-cipher.node.js";

/** node:crypto throughout; the random source and the Ed25519 verifier are passed in. */
export function nodeDeviceCrypto(given: Pick<DeviceCrypto, "random" | "verifier">): DeviceCrypto {
  return { ...given, ...nodeUnmaskCrypto(), shareCipher: nodeShareCipher() };
}

/** What unmasking computes with, by node:crypto. */
export function nodeUnmaskCrypto(): UnmaskCrypto {
  return { keyAgreement: nodeKeyAgreement(), expander: nodeExpander(), hkdf: nodeHkdf };
}
