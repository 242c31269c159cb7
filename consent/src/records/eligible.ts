import { encodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { leafHash } from "../log/hashing.js";
import { MerkleTree } from "../log/tree.js";

/**
 * Root over the subjects that may be selected for a round: the Merkle tree of RFC 6962 whose leaves are the pseudonyms
 * as UTF-8, in ascending order; base64url.
 */
export function eligibleRoot(subjects: Iterable<string>): string {
  const tree = new MerkleTree();
  for (const subject of [...subjects].sort()) tree.append(leafHash(encodeUtf8(subject)));
  return encodeBase64Url(tree.root());
}
