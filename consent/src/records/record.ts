// The consent record: fields of ISO/IEC TS 27560 with terms of the W3C Data Privacy Vocabulary, one purpose a record.
import * as z from "zod/mini";
import {
  bytes16,
  bytes32,
  decimalFrom0,
  epsilon,
  identifier,
  languageTag,
  line,
  natural,
  positive,
} from "../entries/scalars.js";

/** What a participant decided, or what time decided for it. */
export type ConsentState = "given" | "refused" | "withdrawn" | "reaffirmed" | "expired";

/** One decision of one participant about one purpose. */
export interface ConsentRecord {
  /** 16 random bytes, base64url. */
  readonly id: string;
  /** The participant's pseudonym in this population (see `subjectPseudonym`). */
  readonly subject: string;
  /** The device's Ed25519 public key, base64url; every later entry of this subject is signed by it. */
  readonly key: string;
  readonly population: string;
  readonly purpose: string;
  readonly controller: string;
  /** The notice that was shown: where it is kept, SHA-256 of its exact bytes, its language. */
  readonly notice: { readonly uri: string; readonly sha256: string; readonly language: string };
  /** Version of the policy in force. */
  readonly policy: number;
  /** Lawful basis. */
  readonly basis: "consent";
  readonly dataCategories: readonly string[];
  readonly specialCategory: boolean;
  readonly recipients?: readonly string[];
  readonly storage: string;
  readonly retention: string;
  readonly jurisdiction: string;
  readonly model: "opt-in" | "opt-out";
  /** How the participant can withdraw. */
  readonly withdrawal: string;
  /** Times in milliseconds since 1970; `validUntil` null means until withdrawn. */
  readonly event: {
    readonly time: number;
    readonly validUntil: number | null;
    readonly state: ConsentState;
    /** Who decided, where it was not the participant alone. */
    readonly actor?: "subject" | "guardian";
  };
  /** The screen or command through which the decision was made. */
  readonly interface: string;
  /** Signals the device sent: Global Privacy Control, and whether a conflict with it was put to the participant. */
  readonly signals: { readonly gpc: boolean; readonly conflictConfirmed?: boolean };
  readonly ageBand?: "adult" | "minor";
  /** Reference to the guardian who decides for a minor. */
  readonly guardian?: string;
  /** The participant's own limits; null leaves the policy's. */
  readonly limits: { readonly epsilon: string | null; readonly delta: string | null; readonly rounds: number | null };
  /** Leaf hash of the decision that this one replaces; null for the first about this purpose. */
  readonly supersedes: string | null;
}

export const consentRecord: z.ZodMiniType<ConsentRecord> = z.strictObject({
  id: bytes16,
  subject: bytes16,
  key: bytes32,
  population: identifier,
  purpose: identifier,
  controller: line,
  notice: z.strictObject({ uri: line, sha256: bytes32, language: languageTag }),
  policy: positive,
  basis: z.literal("consent"),
  dataCategories: z.array(line).check(z.maxLength(64)),
  specialCategory: z.boolean(),
  recipients: z.exactOptional(z.array(line).check(z.maxLength(64))),
  storage: line,
  retention: line,
  jurisdiction: line,
  model: z.enum(["opt-in", "opt-out"]),
  withdrawal: line,
  event: z.strictObject({
    time: natural,
    validUntil: z.nullable(natural),
    state: z.enum(["given", "refused", "withdrawn", "reaffirmed", "expired"]),
    actor: z.exactOptional(z.enum(["subject", "guardian"])),
  }),
  interface: line,
  signals: z.strictObject({ gpc: z.boolean(), conflictConfirmed: z.exactOptional(z.boolean()) }),
  ageBand: z.exactOptional(z.enum(["adult", "minor"])),
  guardian: z.exactOptional(line),
  limits: z.strictObject({
    epsilon: z.nullable(epsilon),
    delta: z.nullable(decimalFrom0),
    rounds: z.nullable(natural),
  }),
  supersedes: z.nullable(bytes32),
});
