import { parseDocument } from "yaml";

/** What the command line changes about a plan file. */
export interface PlanChanges {
  readonly rounds?: number | undefined;
  readonly epsilon?: number | undefined;
  /** The cohort's target; its minimum becomes nineteen twentieths of it. */
  readonly cohort?: number | undefined;
  /** What the notice's file is called where the changed plan will lie. */
  readonly noticeFile?: string | undefined;
  /** Number of items, where the data has another than the plan. */
  readonly items?: number | undefined;
  /** Why there is to be no differential privacy. */
  readonly noPrivacyReason?: string | undefined;
}

/** On one machine hardly any device is lost; the more are sure to stay, the less noise each has to add. */
const LEAST_SHARE = 0.95;

/**
 * A plan file with a few of its values changed; comments and all else stay. The result goes through the same reading
 * and checking as any plan.
 */
export function changePlan(text: string, changes: PlanChanges): string {
  const document = parseDocument(text);
  if (changes.rounds !== undefined) document.set("rounds", changes.rounds);
  if (changes.cohort !== undefined) {
    document.setIn(["cohort", "target"], changes.cohort);
    document.setIn(["cohort", "minimum"], Math.max(1, Math.floor(changes.cohort * LEAST_SHARE)));
  }
  if (changes.noticeFile !== undefined) document.setIn(["notice", "file"], changes.noticeFile);
  if (changes.items !== undefined) document.setIn(["model", "tensors", "lecturer.effect"], [changes.items]);
  if (changes.epsilon !== undefined) document.setIn(["privacy", "epsilon"], changes.epsilon);
  if (changes.noPrivacyReason !== undefined) {
    document.set("privacy", { mechanism: "none", reason: changes.noPrivacyReason });
    document.set("secureAggregation", { enabled: false, reason: changes.noPrivacyReason });
  }
  return String(document);
}
