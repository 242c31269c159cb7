import { createHash, randomBytes } from "node:crypto";
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { decodeBase64Url, encodeBase64Url, type SignatureVerifier } from "@fedloop/consent";
import { METADATA, methodPath, requestSigningInput, signedParts } from "@fedloop/proto";
import { receivedBytes } from "@fedloop/proto/grpc";
import type { Metadata } from "@grpc/grpc-js";
import { POPULATION } from "./plans.js";
import { Told } from "./told.js";

export interface Device {
  readonly id: string;
  readonly subject: string;
  readonly publicKey: Uint8Array;
  session: string;
}

interface EnrolmentRequest {
  readonly publicKey: Uint8Array;
  readonly nonce: Uint8Array;
  readonly timeMs: bigint;
  readonly signature: Uint8Array;
  readonly population: string;
}

/** What a device is told about itself. */
export interface Enrolled {
  readonly deviceId: Uint8Array;
  readonly session: Uint8Array;
  readonly sessionExpiresMs: bigint;
  readonly subject: string;
}

const CLOCK_SKEW_MS = 300_000;

/** Who has enrolled, and whether a call is theirs. */
export class KnownDevices {
  readonly #verifier: SignatureVerifier;
  readonly #nowMs: () => number;
  readonly #devices = new Map<string, Device>();
  readonly #nonces = new Set<string>();

  constructor(verifier: SignatureVerifier, nowMs: () => number) {
    this.#verifier = verifier;
    this.#nowMs = nowMs;
  }

  enroll({ publicKey, nonce, timeMs, signature, population }: EnrolmentRequest): Enrolled {
    if (population !== POPULATION) throw new Told("UNKNOWN_POPULATION");
    const text = `fedloop-enroll/v1\n${population}\n${encodeBase64Url(publicKey)}\n${encodeBase64Url(nonce)}\n${timeMs}\n`;
    if (Math.abs(this.#nowMs() - Number(timeMs)) > CLOCK_SKEW_MS) throw new Told("CLOCK_SKEW");
    if (!this.#verifier.verify(publicKey, Buffer.from(text), signature)) throw new Told("BAD_SIGNATURE");
    const session = randomBytes(16).toString("base64url");
    const known = [...this.#devices.values()].find((device) => Buffer.from(device.publicKey).equals(publicKey));
    const device = known ?? {
      id: randomBytes(16).toString("base64url"),
      subject: randomBytes(16).toString("base64url"),
      publicKey,
      session,
    };
    device.session = session;
    this.#devices.set(device.id, device);
    return {
      deviceId: decodeBase64Url(device.id),
      session: decodeBase64Url(session),
      sessionExpiresMs: BigInt(this.#nowMs() + 86_400_000),
      subject: device.subject,
    };
  }

  authenticate(method: DescMethod, request: Message, metadata: Metadata): Device {
    const text = (name: string): string => String(metadata.get(name)[0] ?? "");
    const [session, nonce, time] = [text(METADATA.session), text(METADATA.nonce), text(METADATA.time)];
    const device = this.#devices.get(text(METADATA.device));
    if (device === undefined || device.session !== session) throw new Told("SESSION_EXPIRED");
    if (Math.abs(this.#nowMs() - Number(time)) > CLOCK_SKEW_MS) throw new Told("CLOCK_SKEW");
    const hash = createHash("sha256");
    for (const part of signedParts(method.input, receivedBytes(request))) hash.update(part);
    const digest = hash.digest("hex");
    const signed = requestSigningInput(methodPath(method), session, nonce, time, digest);
    const signature = Buffer.from(text(METADATA.signature), "base64url");
    if (!this.#verifier.verify(device.publicKey, signed, signature)) throw new Told("BAD_SIGNATURE");
    if (this.#nonces.has(nonce)) throw new Told("REPLAYED");
    this.#nonces.add(nonce);
    return device;
  }

  forget({ id }: Device): void {
    this.#devices.delete(id);
  }

  expireSessions(): void {
    for (const device of this.#devices.values()) device.session = "";
  }
}
