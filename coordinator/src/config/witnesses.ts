/** Who watches over the log: witnesses, who cosign it, and auditors, to whom cohort lists are sealed. */
import { parseVkey } from "@fedloop/consent";
import * as z from "zod";
import { integer, section } from "./fields.js";

/** Witnesses of the log, as the configuration names them. */
export interface WitnessConfig {
  /** How many of them must have cosigned. */
  readonly quorum: number;
  readonly members: readonly {
    /** C2SP verifier key of a cosigner. */
    readonly key: string;
    /** Submission prefix: add-checkpoint is below it. */
    readonly url: string;
  }[];
}

const auditorKey = { error: "an auditor's X25519 public key, 32 bytes as base64url, from `fedloop-audit keygen`" };
const auditorKeys = { error: "a list of at most 64 keys of auditors" };
const witnessKey = { error: "a witness's verifier key, as `fedloop witness` prints it" };
const witnessUrl = { error: 'the witness\'s address, as in "https://witness.example.org"' };
const members = { error: "a list of 1 to 64 witnesses" };

export const witnessSection: z.ZodType<WitnessConfig> = section({
  quorum: integer(1, 64),
  members: z
    .array(
      section({
        key: z.string(witnessKey).refine(isCosignerKey, witnessKey),
        url: z.string(witnessUrl).regex(/^https?:\/\/(?![^/]*@)[^\s?#]+$/, witnessUrl),
      }),
      members,
    )
    .min(1, members)
    .max(64, members),
}).superRefine(({ quorum, members }, context) => {
  if (quorum <= new Set(members.map(({ key }) => key)).size) return;
  const message = `expected at most as many as there are different witnesses, came ${quorum} of ${members.length}`;
  context.addIssue({ code: "custom", path: ["quorum"], message });
});

function isCosignerKey(text: string): boolean {
  try {
    return parseVkey(text).algorithm === "cosignature/v1";
  } catch {
    return false;
  }
}

export const auditorsSection: z.ZodType<readonly string[]> = z
  .array(z.string(auditorKey).regex(/^[A-Za-z0-9_-]{43}$/, auditorKey), auditorKeys)
  .max(64, auditorKeys);
