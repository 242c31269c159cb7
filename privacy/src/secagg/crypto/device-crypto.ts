import type { RandomSource } from "../../random/source.js";
import type { MaskExpander } from "../masking/expander.js";
import { webCryptoExpander } from "../masking/webcrypto-expander.js";
import type { KeyAgreement } from "./key-agreement.js";
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
}

/** What unmasking computes with. */
export type UnmaskCrypto = Pick<DeviceCrypto, "keyAgreement" | "expander">;

/** WebCrypto where it has the primitive; the rest is passed in. For Node see `nodeDeviceCrypto`. */
export function browserDeviceCrypto(given: Pick<DeviceCrypto, "random" | "shareCipher" | "verifier">): DeviceCrypto {
  return { ...given, keyAgreement: webCryptoKeyAgreement(), expander: webCryptoExpander() };
}
