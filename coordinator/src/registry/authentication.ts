import { createHash } from "node:crypto";
import type { SignatureVerifier } from "@fedloop/consent";
import { requestSigningInput } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import type { Device } from "./device.js";
import { NonceMemory } from "./nonce-memory.js";
import { CLOCK_SKEW_MS, type Registry } from "./registry.js";

/** The five metadata entries of authentication.proto, as they came. */
export interface RequestCredentials {
  readonly device: string | undefined;
  readonly session: string | undefined;
  readonly nonce: string | undefined;
  readonly time: string | undefined;
  readonly signature: string | undefined;
}

const ID = /^[A-Za-z0-9_-]{22}$/;
const SIGNATURE = /^[A-Za-z0-9_-]{86}$/;
const TIME = /^[1-9][0-9]{0,15}$/;

export interface AuthenticatorOptions {
  readonly registry: Pick<Registry, "find" | "findAnew">;
  readonly verifier: SignatureVerifier;
  readonly clock: { now(): number };
}

/**
 * Proves that a request is the device's own and new. Nonces are remembered for as long as a signed time is accepted;
 * what was signed before this process started is refused, so that a restart forgets nothing that matters.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #startedMs: number;
  /** By population, when this process began to answer for it. */
  readonly #answeringSinceMs = new Map<string, number>();
  readonly #nonces = new NonceMemory(CLOCK_SKEW_MS);

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#startedMs = options.clock.now();
  }

  /** From here on, nothing is accepted for a population that was signed before: another process has answered till now. */
  refuseEarlier(population: string): void {
    this.#answeringSinceMs.set(population, this.#options.clock.now());
  }

  /**
   * @param path the method's full path
   * @param signed the parts of the request message as received whose SHA-256, one after the other, is signed
   * @throws CoordinatorError BAD_REQUEST, SESSION_EXPIRED, CLOCK_SKEW, REPLAYED, BAD_SIGNATURE
   */
  async authenticate(path: string, credentials: RequestCredentials, signed: readonly Uint8Array[]): Promise<Device> {
    const { device: id, session, nonce, time, signature } = credentials;
    if (
      id === undefined ||
      session === undefined ||
      nonce === undefined ||
      time === undefined ||
      signature === undefined ||
      !ID.test(id) ||
      !ID.test(session) ||
      !ID.test(nonce) ||
      !TIME.test(time) ||
      !SIGNATURE.test(signature)
    ) {
      throw new CoordinatorError("BAD_REQUEST", "expected the five fedloop-… metadata entries of a signed request");
    }
    const now = this.#options.clock.now();
    let device = await this.#options.registry.find(id);
    // A session that another coordinator has opened stands in the store only.
    if (device !== undefined && device.session !== session) device = await this.#options.registry.findAnew(id);
    if (device === undefined || device.session !== session || device.sessionExpiresMs <= now) {
      throw new CoordinatorError("SESSION_EXPIRED", "expected a session in force; enroll again with the same key");
    }
    this.#checkTime(Number(time), now, this.#answeringSinceMs.get(device.population) ?? this.#startedMs);
    const hash = createHash("sha256");
    for (const part of signed) hash.update(part);
    const text = requestSigningInput(path, session, nonce, time, hash.digest("hex"));
    if (!(await this.#options.verifier.verify(device.publicKey, text, Buffer.from(signature, "base64url")))) {
      throw new CoordinatorError(
        "BAD_SIGNATURE",
        "expected the request signed by the device's key, it does not verify",
      );
    }
    // Only after the signature: else anyone could burn a device's nonces.
    this.#useOnce(`${id}.${nonce}`, Number(time), now);
    return device;
  }

  #checkTime(time: number, now: number, sinceMs: number): void {
    if (Math.abs(now - time) > CLOCK_SKEW_MS) {
      throw new CoordinatorError(
        "CLOCK_SKEW",
        "expected a time within 5 minutes of the server's; correct it and repeat",
      );
    }
    if (time < sinceMs) {
      throw new CoordinatorError("CLOCK_SKEW", "the server started after this request was signed; sign it again");
    }
  }

  #useOnce(nonce: string, time: number, now: number): void {
    if (this.#nonces.use(nonce, time, now)) return;
    throw new CoordinatorError("REPLAYED", "expected a nonce that was not used before; make a fresh one and repeat");
  }
}
