import { type ConsentRecord, type EntryBodies, newEntryId } from "@fedloop/consent";

/** What decides about a consent record; the rest is the same in all tests. */
export interface Decided {
  readonly subject: string;
  /** base64url. */
  readonly key: string;
  readonly purpose: string;
  readonly state: "given" | "refused" | "withdrawn";
  readonly timeMs: number;
  /** Leaf hash of the participant's entry before, base64url. */
  readonly supersedes: string | null;
}

/** A record under a published policy, honest unless changed. */
export function consentRecord(
  policy: EntryBodies["policy.publish"],
  { subject, key, purpose, state, timeMs, supersedes }: Decided,
  changes: Partial<ConsentRecord> = {},
): ConsentRecord {
  return {
    id: newEntryId(),
    subject,
    key,
    population: policy.population,
    purpose,
    controller: policy.controller,
    notice: { uri: policy.noticeUri, sha256: policy.notice, language: policy.language },
    policy: policy.policy,
    basis: "consent",
    dataCategories: ["lecture ratings"],
    specialCategory: false,
    storage: "on the device",
    retention: "until withdrawn",
    jurisdiction: "CH",
    model: "opt-in",
    withdrawal: "in the app",
    event: { time: timeMs, validUntil: null, state },
    interface: "a test",
    signals: { gpc: false },
    limits: { epsilon: null, delta: null, rounds: null },
    supersedes,
    ...changes,
  };
}
