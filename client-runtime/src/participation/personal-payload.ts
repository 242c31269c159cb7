// Personal data of a consent: loaded by the few apps that record any.
import {
  commitment,
  type EncryptedPayload,
  encodeBase64Url,
  encryptPayload,
  type PayloadPlace,
} from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import type { ConsentTerms } from "./consent-terms.js";

/** What stands for personal data in a consent entry. */
export interface PersonalPayload {
  readonly enc?: EncryptedPayload;
  /** A commitment to the guardian. */
  readonly guardian?: string;
}

/**
 * Encrypts what the terms name of persons.
 *
 * @param subjectKey 32 bytes, the participant's
 * @param random cryptographic
 */
export function personalPayload(
  place: PayloadPlace,
  subjectKey: Uint8Array,
  { guardian, personal }: Pick<ConsentTerms, "guardian" | "personal">,
  random: RandomSource,
): PersonalPayload {
  const opening = new Uint8Array(32);
  random.fill(opening);
  const payload = {
    ...(personal === undefined ? {} : { personal: { ...personal } }),
    ...(guardian === undefined ? {} : { guardian, guardianOpening: encodeBase64Url(opening) }),
  };
  return {
    enc: encryptPayload(place, subjectKey, payload),
    ...(guardian === undefined ? {} : { guardian: commitment(opening, guardian) }),
  };
}
