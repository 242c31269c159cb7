// A group whose work is done in another process, as a round sees it: without what reaches that process.
import type { MaskAccumulator, UnmaskEngine } from "@fedloop/privacy/secagg";

/** A group's work in another process. */
export interface RemoteGroup {
  /** Takes vectors; what it "adds" goes to the aggregator. */
  readonly sum: MaskAccumulator;
  /** Takes the masks out, there. */
  readonly engine: UnmaskEngine;
}

/** Gives a group to another process; undefined where there is none. */
export type AssignGroup = (parameters: { readonly length: number; readonly bits: number }) => RemoteGroup | undefined;

/** The group's aggregator is gone, or its sum is not the one that was agreed to. */
export class GroupLost extends Error {
  override readonly name = "GroupLost";
}
