import type { DeviceCrypto } from "../crypto/device-crypto.js";
import { KEY_BYTES } from "../crypto/key-agreement.js";
import type { Signer } from "../crypto/signatures.js";
import type { KeyAdvertisement } from "../messages.js";
import type { SecAggParameters } from "../parameters.js";
import { Secret, Turn } from "../secret.js";
import { advertisementTranscript } from "../transcript.js";
import type { DeviceState, DeviceStep } from "./answer-once.js";

/** What a device brings to a round. */
export interface DeviceSetup {
  readonly parameters: SecAggParameters;
  readonly signer: Signer;
  /** The app's own floor: the device leaves smaller cohorts, whatever the plan says. */
  readonly minimumMembers: number;
}

/** A fresh X25519 key pair. */
export interface SecretKeyPair {
  readonly secretKey: Secret;
  readonly publicKey: Uint8Array;
}

/** The device has advertised its keys and waits for its neighbours'. */
export interface KeysState extends DeviceState {
  readonly type: "keys";
  readonly setup: DeviceSetup;
  readonly mask: SecretKeyPair;
  readonly encryption: SecretKeyPair;
}

/** First step: two fresh key pairs, for this round only, signed by the device's own key. */
export async function advertiseKeys(
  setup: DeviceSetup,
  crypto: Pick<DeviceCrypto, "random" | "keyAgreement">,
): Promise<DeviceStep<KeysState, KeyAdvertisement>> {
  const mask = await freshKeyPair(crypto);
  const encryption = await freshKeyPair(crypto);
  const keys = { maskPublicKey: mask.publicKey, encryptionPublicKey: encryption.publicKey };
  const signature = await setup.signer.sign(advertisementTranscript(setup.parameters, keys));
  const secrets = [mask.secretKey, encryption.secretKey];
  return {
    state: { type: "keys", setup, mask, encryption, turn: new Turn(), secrets },
    message: { ...keys, signature },
  };
}

async function freshKeyPair(crypto: Pick<DeviceCrypto, "random" | "keyAgreement">): Promise<SecretKeyPair> {
  const bytes = new Uint8Array(KEY_BYTES);
  crypto.random.fill(bytes);
  return { secretKey: new Secret(bytes), publicKey: await crypto.keyAgreement.publicKey(bytes) };
}
