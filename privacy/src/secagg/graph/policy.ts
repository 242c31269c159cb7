/**
 * What the server may do: nothing against the protocol ("none", dropouts only), read everything it receives
 * ("semi-honest"), or also lie to devices about who dropped out ("semi-malicious").
 */
export type Adversary = "none" | "semi-honest" | "semi-malicious";

/** Every device is paired with every other; for cohorts up to about 100. */
export interface CompleteGraphPolicy {
  readonly type: "complete";
}

/** Devices are paired with k others on a random ring; k and the threshold follow from the cohort's size. */
export interface HararyGraphPolicy {
  readonly type: "harary";
  /** Fraction of the cohort that may collude with the server, in [0, 1). */
  readonly corruptFraction: number;
  /** Fraction of the cohort that may drop out, in [0, 1). */
  readonly dropoutFraction: number;
  readonly adversary: Adversary;
}

export type GraphPolicy = CompleteGraphPolicy | HararyGraphPolicy;
