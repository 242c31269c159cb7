import type { NeighbourKeys, NeighbourList, UnmaskAnswer } from "../../../src/secagg/messages.js";
import { rebuildSecret, type Share } from "../../../src/secagg/shamir/shamir.js";

/** Replaces the first neighbour's keys in a list. */
export function withNeighbour(
  list: NeighbourList,
  change: (neighbour: NeighbourKeys) => Partial<NeighbourKeys>,
): NeighbourList {
  const [first, ...rest] = list.neighbours;
  if (first === undefined) throw new Error("no neighbours");
  return { ...list, neighbours: [{ ...first, ...change(first) }, ...rest] };
}

export function flipped(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte));
}

/** What a server learns from answers about one dealer: the secret, if it has enough shares of that kind. */
export function rebuilt(
  answers: ReadonlyMap<number, UnmaskAnswer>,
  dealer: number,
  type: "self-mask" | "mask-key",
  sharing: { holders: number; threshold: number },
): Uint8Array | undefined {
  const shares: Share[] = [];
  for (const [holder, { shares: revealed }] of answers) {
    const share = revealed.find((candidate) => candidate.member === dealer && candidate.type === type);
    if (share !== undefined) shares.push({ x: holder + 1, value: share.share });
  }
  return shares.length < sharing.threshold ? undefined : rebuildSecret(shares.slice(0, sharing.threshold), sharing);
}
