import type { RandomSource } from "../../random/source.js";
import type { MaskExpander } from "../masking/expander.js";
import { webCryptoExpander } from "../masking/webcrypto-expander.js";
import type { Hkdf } from "./hkdf.js";
import type { KeyAgreement } from "./key-agreement.js";
import { nobleShareCipher } from "./noble-share-cipher.js";
import type { ShareCipher } from "./share-cipher.js";
import type { SignatureVerifier } from "./signatures.js";
import { webCryptoKeyAgreement } from "./webcrypto-key-agreement.js";

/** What a device computes with. */
export interface DeviceCrypto {
  readonly random: RandomSource;
  readonly keyAgreement: KeyAgreement;
  readonly shareCipher: ShareCipher;
  readonly expander: MaskExpander;
  readonly verifier: SignatureVerifier;
  /** Plain JavaScript unless given. */
  readonly hkdf?: Hkdf;
}

/** What unmasking computes with. */
export type UnmaskCrypto = Pick<DeviceCrypto, "keyAgreement" | "expander" | "hkdf">;

/** What a browser's device computes with may leave out: the share cipher then is plain JavaScript. */
export interface BrowserDeviceCryptoOptions extends Pick<DeviceCrypto, "random" | "verifier"> {
  /** `nobleShareCipher()` unless given. */
  readonly shareCipher?: ShareCipher;
}

/**
 * WebCrypto where it has the primitive, plain JavaScript for the share cipher, which it lacks. Runs under a content
 * security policy without `unsafe-eval` and without `wasm-unsafe-eval`; with the latter the masks are added by
 * WebAssembly. For Node see `nodeDeviceCrypto`.
 */
export function browserDeviceCrypto(given: BrowserDeviceCryptoOptions): DeviceCrypto {
  const { random, verifier, shareCipher = nobleShareCipher() } = given;
  return { random, verifier, shareCipher, keyAgreement: webCryptoKeyAgreement(), expander: webCryptoExpander() };
}
