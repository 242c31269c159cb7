import * as z from "zod/mini";
import { LedgerError } from "../errors.js";
import { canonicalBytes, parseCanonical } from "../json/canonical.js";
import { type EntryForm, type EntryReader, entryReader, formOf } from "./entry-forms.js";
import type { EntryOf } from "./entry-types.js";
import { bytes16, bytes32, bytes64, identifier, natural, positive, reasonCode } from "./scalars.js";

/** How a round ended. */
export interface RoundClose {
  readonly population: string;
  readonly round: number;
  /** Leaf hash of the round's plan. */
  readonly plan: string;
  readonly outcome: "completed" | "abandoned";
  /** Why it was abandoned, a code; null when completed. */
  readonly reason: string | null;
  /**
   * Who took part: how many, and SHA-256 of the cohort list, a blob kept beside the log (`blob` null where the list
   * is withheld). Null when nobody was selected.
   */
  readonly cohort: { readonly size: number; readonly blob: string | null } | null;
  /** SHA-256 of the noised aggregate. */
  readonly aggregate: string | null;
  /** SHA-256 of the model after the round. */
  readonly modelOut: string | null;
}

const roundClose: z.ZodMiniType<RoundClose> = z
  .strictObject({
    population: identifier,
    round: positive,
    plan: bytes32,
    outcome: z.enum(["completed", "abandoned"]),
    reason: z.nullable(reasonCode),
    cohort: z.nullable(z.strictObject({ size: natural, blob: z.nullable(bytes32) })),
    aggregate: z.nullable(bytes32),
    modelOut: z.nullable(bytes32),
  })
  .check(
    z.refine(
      ({ outcome, reason }) => (outcome === "abandoned") === (reason !== null),
      "a reason must be given exactly when abandoned",
    ),
    z.refine(
      ({ outcome, cohort, aggregate }) => outcome === "abandoned" || (cohort !== null && aggregate !== null),
      "a completed round has a cohort and an aggregate",
    ),
  );

export const closeForm: EntryForm<EntryOf<"round.close">> = formOf("round.close", roundClose);

/** Reads a `round.close` entry, and no other. @throws LedgerError as `parseEntry` */
export const readCloseEntry: EntryReader<EntryOf<"round.close">> = entryReader([closeForm]);

/** One participant of a round. */
export interface CohortMember {
  readonly subject: string;
  /** Index of the consent entry that was relied on. */
  readonly consent: number;
  /** The device's signature of `joinMessage`. */
  readonly join: string;
  /** SHA-256 of the device's mask key under secure aggregation. */
  readonly maskKey: string | null;
}

const cohortMember: z.ZodMiniType<CohortMember> = z.strictObject({
  subject: bytes16,
  consent: natural,
  join: bytes64,
  maskKey: z.nullable(bytes32),
});

const cohortList: z.ZodMiniType<readonly CohortMember[]> = z
  .array(cohortMember)
  .check(
    z.refine(
      (members) => members.every(({ subject }, at) => at === 0 || (members[at - 1]?.subject ?? "") < subject),
      "members must be sorted by subject, each once",
    ),
  );

/** The longest cohort list that is read, in bytes: about 250 000 participants. */
const maxCohortBytes = 64 * 1024 * 1024;

/**
 * The blob of a cohort: canonical JSON of its members, sorted by subject. Its SHA-256 stands in the round's close.
 * @throws LedgerError BAD_ENTRY when a subject stands twice or a member is malformed.
 */
export function cohortBlob(members: readonly CohortMember[]): Uint8Array {
  return canonicalBytes(checkedCohort(members.toSorted((left, right) => (left.subject < right.subject ? -1 : 1))));
}

/**
 * The members of a cohort blob.
 * @throws LedgerError NOT_CANONICAL, BAD_ENCODING, TOO_LARGE, TOO_DEEP, BAD_ENTRY
 */
export function parseCohort(blob: Uint8Array): readonly CohortMember[] {
  return checkedCohort(parseCanonical(blob, { maxBytes: maxCohortBytes, maxDepth: 2 }));
}

function checkedCohort(value: unknown): readonly CohortMember[] {
  const { success, data, error } = cohortList.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  const where = issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}`;
  throw new LedgerError("BAD_ENTRY", `The cohort list is malformed: ${where}.`, { cause: error });
}
