import * as z from "zod/mini";
import type { PrivacyAdjacency, PrivacyUnit } from "./round-plan.js";
import { bytes32, delta, epsilon, identifier, languageTag, line, positive } from "./scalars.js";

/**
 * The operator publishes what participants are asked: a notice, purposes and limits. The first entry of every log is
 * one, because it carries the key that checks the coordinator's entries.
 */
export interface PolicyPublish {
  /** Version, from 1, rising by one for each population. */
  readonly policy: number;
  readonly population: string;
  readonly controller: string;
  /** SHA-256 of the exact bytes of the notice that participants are shown. */
  readonly notice: string;
  readonly noticeUri: string;
  readonly language: string;
  readonly purposes: readonly string[];
  /** Caps on what all rounds of the population together may spend; ε as a decimal string or "unbounded". */
  readonly limits: { readonly epsilon: string; readonly delta: string };
  /** What ε is about, in all of the population's rounds. */
  readonly unit: PrivacyUnit;
  readonly adjacency: PrivacyAdjacency;
  readonly accountant: "rdp";
  readonly accountantVersion: string;
  /** Ed25519 key that signs the coordinator's entries. */
  readonly operatorKey: string;
}

export const policyPublish: z.ZodMiniType<PolicyPublish> = z.strictObject({
  policy: positive,
  population: identifier,
  controller: line,
  notice: bytes32,
  noticeUri: line,
  language: languageTag,
  purposes: z.array(identifier).check(z.minLength(1), z.maxLength(64)),
  limits: z.strictObject({ epsilon, delta }),
  unit: z.enum(["participant", "example"]),
  adjacency: z.enum(["add-or-remove-one", "replace-special"]),
  accountant: z.literal("rdp"),
  accountantVersion: line,
  operatorKey: bytes32,
});
