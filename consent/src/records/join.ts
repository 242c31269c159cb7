import { encodeUtf8 } from "../crypto/encoding.js";
import { canonicalText } from "../json/canonical.js";

/** Which round of which plan a device joins. */
export interface JoinClaim {
  readonly log: string;
  /** Leaf hash of the plan, base64url. */
  readonly plan: string;
  readonly population: string;
  readonly round: number;
  readonly subject: string;
}

/** What a device signs to join a round: `"fedloop-join/v1\n"` and the canonical JSON of the claim. */
export function joinMessage({ log, plan, population, round, subject }: JoinClaim): Uint8Array {
  return encodeUtf8(`fedloop-join/v1\n${canonicalText({ log, plan, population, round, subject })}`);
}
