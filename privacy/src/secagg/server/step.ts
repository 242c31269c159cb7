import type { AbandonReason } from "../errors.js";

/** What became of a message: it counts, or it is a retry of one that counts already, however late the retry comes. */
export type Receipt = "accepted" | "repeated";

/** The round has ended without a sum. */
export interface Abandoned {
  readonly type: "abandoned";
  readonly reason: AbandonReason;
  /** A sentence for the log: what was needed, and what there was. Holds member numbers, never secrets. */
  readonly detail: string;
}

/** What closing a state leads to. */
export type Closed<Next> = { readonly type: "advanced"; readonly state: Next } | Abandoned;

export function advanced<Next>(state: Next): Closed<Next> {
  return { type: "advanced", state };
}

export function abandoned(reason: AbandonReason, detail: string): Abandoned {
  return { type: "abandoned", reason, detail };
}
