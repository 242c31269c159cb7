// What an auditor can find. Each code is stable and documented in docs/findings.md; a test keeps both identical.

/** Everything that `verifyBundle` can find wrong. */
export type FindingCode =
  | "ACTOR_CHAIN"
  | "BLOB_HASH"
  | "BLOB_UNEXPECTED"
  | "BUDGET_INCOMPUTABLE"
  | "BUNDLE_FRAMING"
  | "BUNDLE_HEADER"
  | "CHECKPOINT_FORKED"
  | "CHECKPOINT_INVALID"
  | "CHECKPOINT_STRANGER"
  | "CHECKPOINT_WITNESSES"
  | "CIPHERTEXT_REUSED"
  | "CLOCK_BACKWARDS"
  | "CLOSE_COHORT"
  | "CLOSE_MODEL"
  | "CLOSE_PLAN"
  | "CLOSE_REPEATED"
  | "CLOSE_UNPAID"
  | "COHORT_CONSENT"
  | "COHORT_JOIN"
  | "COHORT_MALFORMED"
  | "COHORT_MASK_KEY"
  | "COHORT_SEALED"
  | "COHORT_WITHDRAWN"
  | "CONSENT_INVALID"
  | "CONSENT_POLICY"
  | "CONSENT_SUBJECT"
  | "CONSENT_SUPERSEDED"
  | "DEBIT_CHAIN"
  | "DEBIT_EVENT"
  | "DEBIT_PLAN"
  | "DEBIT_REPEATED"
  | "ENTRY_ID_REPEATED"
  | "ENTRY_KEY"
  | "ENTRY_LOG"
  | "ENTRY_MALFORMED"
  | "ENTRY_SIGNATURE"
  | "EPSILON_OVER_CAP"
  | "EPSILON_UNDERSTATED"
  | "ERASED_SUBJECT"
  | "ERASURE_INCOMPLETE"
  | "HEARTBEAT_GAP"
  | "LOG_START"
  | "MASK_KEY_REUSED"
  | "PARTICIPANT_LIMIT"
  | "PLAN_DIVISOR"
  | "PLAN_ELIGIBLE"
  | "PLAN_EVENT"
  | "PLAN_LIMITS"
  | "PLAN_MODEL"
  | "PLAN_POLICY"
  | "PLAN_ROUND"
  | "PLAN_TREE_SIZE"
  | "POLICY_INVALID"
  | "RELEASE_REPEATED"
  | "RELEASE_UNPAID"
  | "RUN_PARTICIPATION"
  | "STAGE_MODEL"
  | "STAGE_ORDER"
  | "TREE_ROOT"
  | "TRUST_MISMATCH";

/** Where in a bundle something is. */
export type FindingPlace = "header" | "entry" | "blob" | "checkpoint" | "trust";

/** One thing that does not hold. */
export interface Finding {
  readonly code: FindingCode;
  readonly where: FindingPlace;
  /** Index of the entry, or number of the blob from 0; null for the header, the checkpoint and the trust file. */
  readonly index: number | null;
  readonly message: string;
}

/** What each code means, as `fedloop-audit explain` and the documentation say it. */
export const findingMeanings: { readonly [Code in FindingCode]: string } = {
  ACTOR_CHAIN:
    "An entry does not continue its author's own chain: its sequence number or the hash of the entry before is wrong. An entry was removed, reordered, repeated or slipped in.",
  BLOB_HASH: "A blob does not have the SHA-256 that the log names for it. It was changed after the round was closed.",
  BLOB_UNEXPECTED: "A blob is in the bundle that no entry names, or one that an entry names is missing.",
  BUDGET_INCOMPUTABLE:
    "The privacy budget cannot be recomputed: no accountant answers for the mechanism event or the δ in force. A budget that cannot be checked is not accepted.",
  BUNDLE_FRAMING: "The file does not have as many lines as its header says, or its last line is cut off.",
  BUNDLE_HEADER: "The first line is not the header of a bundle, or it contradicts what follows.",
  CHECKPOINT_FORKED:
    "The bundle's tree is not an extension of a checkpoint that the auditor kept from earlier. The log showed two histories.",
  CHECKPOINT_INVALID: "The checkpoint is malformed, of another log, or not signed by the log's key.",
  CHECKPOINT_STRANGER:
    "The checkpoint carries a signature whose key the header does not name, so it cannot be checked.",
  CHECKPOINT_WITNESSES: "Fewer witnesses than the auditor demands have cosigned the checkpoint.",
  CIPHERTEXT_REUSED:
    "An encrypted payload, or the nonce it was encrypted under, occurs twice. It was copied from another entry, or its confidentiality is lost.",
  CLOCK_BACKWARDS:
    "The coordinator's time stamp lies before that of its previous entry. Order is decided by index, but expiry of consents is read from these times.",
  CLOSE_COHORT: "A completed round has fewer participants than its plan demands, or no list of them.",
  CLOSE_MODEL: "A round's close names another outgoing model than the one that was released.",
  CLOSE_PLAN: "A round was closed that was not planned before, or under another plan.",
  CLOSE_REPEATED: "A round was closed twice.",
  CLOSE_UNPAID: "A round counts as completed although its budget was not debited before.",
  COHORT_CONSENT:
    "A participant took part without a consent that was valid for the purpose at the plan's tree size, or the list names another entry than the one that decided.",
  COHORT_JOIN: "A participant's signature that joins the round does not verify under its device key.",
  COHORT_MALFORMED: "A cohort list is not of the known form, or does not have as many members as the close says.",
  COHORT_MASK_KEY: "A participant of a securely aggregated round has no mask key, or one of an open round has one.",
  COHORT_SEALED:
    "A cohort list is sealed, and no key was given that opens it: who took part could not be checked. Verify with --auditor-key.",
  COHORT_WITHDRAWN: "A participant's data were used after it had withdrawn.",
  CONSENT_INVALID:
    "A consent may not stand: it ends before it begins, a minor's guardian did not decide, or Global Privacy Control was overridden without confirmation.",
  CONSENT_POLICY: "A consent refers to a policy, notice or purpose that was not the one in force.",
  CONSENT_SUBJECT: "A consent speaks for someone other than the actor who signed it.",
  CONSENT_SUPERSEDED: "A consent does not supersede the latest decision of its subject about the same purpose.",
  DEBIT_CHAIN: "A debit does not name the population's debit before it, so one may have been left out.",
  DEBIT_EVENT: "A debit, or a release, states another mechanism event than the plan announced.",
  DEBIT_PLAN: "A debit belongs to no plan before it, or comes after the round was closed.",
  DEBIT_REPEATED: "A round was debited twice.",
  ENTRY_ID_REPEATED: "Two entries have the same id.",
  ENTRY_KEY: "The key that should have signed an entry is unknown: its author never introduced one.",
  ENTRY_LOG: "An entry was made for another log.",
  ENTRY_MALFORMED: "An entry is not canonical JSON of a known type. It was changed, or made by a faulty writer.",
  ENTRY_SIGNATURE: "An entry's signature does not verify under its author's key.",
  EPSILON_OVER_CAP: "Recomputed ε exceeds the cap that the policy promises.",
  EPSILON_UNDERSTATED: "An entry claims a smaller ε than its own mechanism events give.",
  ERASED_SUBJECT: "An entry speaks of a subject after its erasure.",
  ERASURE_INCOMPLETE: "The vault still holds a key of a subject that the log says was erased.",
  HEARTBEAT_GAP: "The coordinator was silent for longer than the auditor allows; entries may have been suppressed.",
  LOG_START: "The log does not begin with a policy, which carries the operator's key.",
  MASK_KEY_REUSED: "A mask key served twice. Masks of two rounds could be subtracted from each other.",
  PARTICIPANT_LIMIT: "A participant's own limit of ε or rounds, stated in its consent, was exceeded.",
  PLAN_DIVISOR:
    "A plan's divisor is not the cohort it aims for. A divisor that follows who came would let the average tell how many did.",
  PLAN_ELIGIBLE: "A plan's count or root of eligible participants is not that of the consents at its tree size.",
  PLAN_EVENT:
    "A plan's mechanism event promises more privacy than its clip, noise and sampler give: for example amplification by sampling that does not happen.",
  PLAN_LIMITS: "A plan reserves under another δ or cap than the policy states, or beyond the cap.",
  PLAN_MODEL: "A plan starts from a model, or takes updates of one, that was never released.",
  PLAN_POLICY: "A plan refers to a policy that is not in force, or to a purpose the policy does not have.",
  PLAN_ROUND: "A population's rounds are not planned one after the other, each once.",
  PLAN_TREE_SIZE: "A plan relies on consents that were not in the log yet.",
  POLICY_INVALID: "A policy's version does not follow the one before, or it names another operator key.",
  RELEASE_REPEATED: "A round's result was released twice.",
  RELEASE_UNPAID: "A result was released without a debit before it.",
  RUN_PARTICIPATION:
    "A participant took part in a run of rounds with correlated noise more often, or at a smaller distance, than the run's event allows for.",
  STAGE_MODEL: "Devices were given a model that its round never released, or that was rolled back before.",
  STAGE_ORDER:
    "A change of the model that devices get does not follow from those before: a second canary, a rollback of a model that nobody had, or another standing than they make.",
  TREE_ROOT: "The root over the bundle's entries is not the one that the checkpoint signs.",
  TRUST_MISMATCH: "The bundle's log, checkpoint key or operator key is not the one that the auditor trusts.",
};

/** Collects findings. */
export class FindingSink {
  readonly #findings: Finding[] = [];

  add(code: FindingCode, where: FindingPlace, index: number | null, message: string): void {
    this.#findings.push({ code, where, index, message });
  }

  entry(code: FindingCode, index: number, message: string): void {
    this.add(code, "entry", index, message);
  }

  blob(code: FindingCode, index: number, message: string): void {
    this.add(code, "blob", index, message);
  }

  /** All findings, in the order of the file. */
  sorted(): Finding[] {
    const rank = { trust: 0, header: 1, entry: 2, blob: 3, checkpoint: 4 };
    return this.#findings.toSorted(
      (left, right) => rank[left.where] - rank[right.where] || (left.index ?? 0) - (right.index ?? 0),
    );
  }
}
