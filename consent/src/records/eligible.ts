import { encodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { leafHash } from "../log/hashing.js";
import { MerkleTree } from "../log/tree.js";

/**
 * The commitment to the subjects that may be selected for a round, one subject after the other: the Merkle tree of RFC 6962
 * whose leaves are the pseudonyms as UTF-8, in ascending order. For who has other work between them; else {@link eligibleRoot}.
 */
export class EligibleTree {
  readonly #tree = new MerkleTree();

  /** How many subjects there are so far. */
  get count(): number {
    return this.#tree.size;
  }

  /** The next subject; the caller brings them in ascending order, as `ConsentView.eligible` does. */
  add(subject: string): void {
    this.#tree.append(leafHash(encodeUtf8(subject)));
  }

  /** base64url. */
  root(): string {
    return encodeBase64Url(this.#tree.root());
  }
}

/** Root over the subjects that may be selected for a round, in whatever order they come; base64url. @see EligibleTree */
export function eligibleRoot(subjects: Iterable<string>): string {
  const tree = new EligibleTree();
  for (const subject of [...subjects].sort()) tree.add(subject);
  return tree.root();
}
