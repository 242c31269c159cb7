// Frequent words, prefix by prefix: a trie of noised counts in which a branch goes on only where enough devices are.
// Zhu, Kairouz, Mcmahan, Sun, Li: Federated Heavy Hitters Discovery with Differential Privacy (2020), with noised counts
// of fixed cohorts in place of votes of sampled ones.
import { normalQuantile } from "../statistics/normal.js";
import { type Estimate, normalEstimate } from "./interval.js";
import type { HeavyHittersQuery } from "./query.js";
import { followedPrefixes } from "./shape.js";

/** Chance that a round follows any branch that nobody is on, and below k by the count alone. */
const FALSE_BRANCH = 0.05;

/** A word that at least k devices have, by their noised count. */
export interface FrequentWord {
  readonly word: string;
  readonly devices: Estimate;
}

export interface TrieStep {
  /** Words that end here. */
  readonly words: readonly FrequentWord[];
  /** What the next round follows; empty when there is nothing more to find. */
  readonly prefixes: readonly string[];
}

/** Noised counts below this are of no word: k, and no less than what noise alone reaches somewhere in one of 20 rounds. */
export function branchThreshold(query: HeavyHittersQuery, noiseVariance: number): number {
  const cells = query.width * (query.alphabet.length + 1);
  return Math.max(query.minimumDevices, normalQuantile(1 - FALSE_BRANCH / cells) * Math.sqrt(noiseVariance));
}

/**
 * What a round's released sum says of the prefixes it followed. In the last round what has not ended is a prefix of
 * longer words; it is given as it is.
 */
export function trieStep(query: HeavyHittersQuery, sums: ArrayLike<number>, noiseVariance: number): TrieStep {
  const prefixes = followedPrefixes(query);
  const places = query.alphabet.length + 1;
  const threshold = branchThreshold(query, noiseVariance);
  const words: FrequentWord[] = [];
  const branches: FrequentWord[] = [];
  prefixes.forEach((prefix, at) => {
    for (let letter = 0; letter < places; letter++) {
      const count = sums[at * places + letter] ?? 0;
      if (!(count >= threshold)) continue;
      const isEnd = letter === places - 1;
      const found = {
        word: isEnd ? prefix : prefix + (query.alphabet[letter] ?? ""),
        devices: normalEstimate(count, noiseVariance),
      };
      if (isEnd) {
        if (prefix !== "") words.push(found);
      } else branches.push(found);
    }
  });
  branches.sort((a, b) => b.devices.value - a.devices.value);
  const kept = branches.slice(0, query.width);
  const isLast = kept.every(({ word }) => word.length >= query.length);
  return isLast ? { words: [...words, ...kept], prefixes: [] } : { words, prefixes: kept.map(({ word }) => word) };
}
