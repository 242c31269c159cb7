import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals what passes between coordinators and aggregators (AES-256-GCM, a random nonce a message, a key for each group): the
 * message server carries masked vectors and the shares that unmask them, and must learn nothing from having both.
 */
export class GroupSeal {
  readonly #key: Uint8Array;

  /** @param secret what coordinators and aggregators of a log share, 32 bytes @param group random name of the group's work */
  constructor(secret: Uint8Array, group: string) {
    this.#key = new Uint8Array(hkdfSync("sha256", secret, "", `fedloop-aggregation/v1\n${group}`, 32));
  }

  /** @param context bound to the message: what it is, and which part */
  seal(context: string, bytes: Uint8Array): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce).setAAD(Buffer.from(context));
    return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws Error when the message was not sealed for this group and context */
  open(context: string, sealed: Uint8Array): Uint8Array {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv("aes-256-gcm", this.#key, nonce).setAAD(Buffer.from(context));
    decipher.setAuthTag(sealed.subarray(end));
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
  }
}
