import { createHash } from "node:crypto";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";

/** Who attests, and what for. */
export interface Attested {
  readonly population: string;
  /** The device's Ed25519 key, which the statement is to be about, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Decides about what a platform says of a device: that the app is genuine, that the device is one of the operator's. */
export interface AttestationCheck {
  /** @throws CoordinatorError RETRY when nobody can tell at the moment; then the device is not let in */
  isGenuine(statement: string, attested: Attested): Promise<boolean>;
}

/** Statements that the operator knows by their SHA-256 (32 bytes each), such as serial numbers of devices that it handed out. */
export function allowedStatements(hashes: readonly Uint8Array[]): AttestationCheck {
  const known = new Set(hashes.map((hash) => Buffer.from(hash).toString("hex")));
  return { isGenuine: async (statement) => known.has(createHash("sha256").update(statement).digest("hex")) };
}

export interface HttpAttestationOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly fetch: typeof globalThis.fetch;
}

/** An answer is a few words. */
const ANSWER_BYTES = 4 * 1024;
const RETRY_MS = 30_000;

const answer = z.strictObject({ genuine: z.boolean() });

/**
 * Asks a service of the operator's, which knows the platforms' formats: POST of `{ population, publicKey, statement }`,
 * the key as base64url, answered by `{ "genuine": true }` or `false`. Whatever else comes, or nothing in time, lets
 * nobody in.
 */
export function httpAttestation({ url, timeoutMs, fetch }: HttpAttestationOptions): AttestationCheck {
  return {
    async isGenuine(statement, { population, publicKey }) {
      const key = Buffer.from(publicKey).toString("base64url");
      try {
        const response = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ population, publicKey: key, statement }),
          redirect: "error",
          signal: AbortSignal.timeout(timeoutMs),
        });
        if (!response.ok) throw new Error(`came HTTP status ${response.status}`);
        return answer.parse(JSON.parse(await textWithin(response))).genuine;
      } catch (cause) {
        throw new CoordinatorError("RETRY", "who attests devices could not be asked; come back", {
          retryAfterMs: RETRY_MS,
          cause,
        });
      }
    },
  };
}

async function textWithin({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES) throw new Error(`came more than ${ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
