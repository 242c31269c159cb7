import * as z from "zod";
import { duration, oneOf, section } from "./fields.js";
import { isGuardedUrl } from "./loopback.js";

/** Who may enroll: anyone; who holds an invitation, of which only the hash is known here; or who is attested. */
export type EnrolmentConfig =
  | { readonly type: "open" }
  | { readonly type: "token"; readonly tokens: readonly { readonly sha256: Uint8Array; readonly expiresMs: number }[] }
  | {
      readonly type: "attestation";
      /** A service that is asked about each statement, or the hashes of those that are known. */
      readonly by:
        | { readonly type: "http"; readonly url: string; readonly timeoutMs: number }
        | { readonly type: "allowed"; readonly hashes: readonly Uint8Array[] };
    };

interface WrittenToken {
  readonly sha256: string;
  readonly expires: string;
}

export interface WrittenEnrolment {
  readonly mode: "open" | "token" | "attestation";
  readonly tokens?: readonly WrittenToken[] | undefined;
  readonly attestation?:
    | { readonly url?: string | undefined; readonly timeout: number; readonly allow?: readonly string[] | undefined }
    | undefined;
}

const instant = { error: 'a time with its zone, as in "2026-06-30T12:00:00Z"' };
const tokenHash = { error: "the SHA-256 of the invitation, as 64 hexadecimal digits" };
const attestationUrl = {
  error: 'an https address without user and password, as in "https://attest.example.org/check", or http on loopback',
};
const allowed = { error: "a list of 1 to 100000 hashes of statements" };
const tokens = { error: "a list of 1 to 1000 tokens" };

export const enrolmentSection: z.ZodType<WrittenEnrolment> = section({
  mode: oneOf(["open", "token", "attestation"]),
  tokens: z
    .array(
      section({
        sha256: z.string(tokenHash).regex(/^[0-9a-f]{64}$/, tokenHash),
        expires: z.iso.datetime({ offset: true, ...instant }),
      }),
      tokens,
    )
    .min(1, tokens)
    .max(1_000, tokens)
    .optional(),
  attestation: section({
    url: z.string(attestationUrl).refine(isGuardedUrl, attestationUrl).optional(),
    timeout: duration(60_000).prefault("5s"),
    allow: z
      .array(z.string(tokenHash).regex(/^[0-9a-f]{64}$/, tokenHash), allowed)
      .min(1, allowed)
      .max(100_000, allowed)
      .optional(),
  }).optional(),
}).superRefine(({ mode, tokens, attestation }, context) => {
  const refuse = (message: string): void => context.addIssue({ code: "custom", path: ["mode"], message });
  if (mode !== "token" && tokens !== undefined)
    refuse(`expected tokens with mode token only, came mode ${mode} and tokens`);
  if ((mode === "attestation") !== (attestation !== undefined)) {
    refuse(`expected attestation with mode attestation and only with it, came mode ${mode}`);
  }
  if (attestation !== undefined && (attestation.url === undefined) === (attestation.allow === undefined)) {
    refuse("expected attestation to have a url or a list allow, and not both");
  }
});

export function enrolmentOf({ mode, tokens = [], attestation }: WrittenEnrolment): EnrolmentConfig {
  if (attestation?.url !== undefined) {
    return { type: "attestation", by: { type: "http", url: attestation.url, timeoutMs: attestation.timeout } };
  }
  if (attestation !== undefined) {
    const hashes = (attestation.allow ?? []).map((hash) => Uint8Array.from(Buffer.from(hash, "hex")));
    return { type: "attestation", by: { type: "allowed", hashes } };
  }
  if (mode !== "token") return { type: "open" };
  return {
    type: "token",
    tokens: tokens.map(({ sha256, expires }) => ({
      sha256: Uint8Array.from(Buffer.from(sha256, "hex")),
      expiresMs: Date.parse(expires),
    })),
  };
}
