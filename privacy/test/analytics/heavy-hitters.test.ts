/**
 * Heavy hitters, measured: 1 000 devices with words that follow Zipf's law, asked letter by letter under noise of 4 people a cell
 * (ε = 1.1 a step at δ = 1e-6), 100 times. A word that as many devices have as noise reaches in 1 of 1 000 cells beside the
 * threshold is missed in at most 1 of 1 000 steps, so in 1 of 100 words of 8 letters; a branch that nobody is on is followed in
 * at most 1 of 20 rounds.
 */
import t from "tap";
import {
  branchThreshold,
  contribution,
  contributionLength,
  parseQuery,
  type Row,
  trieStep,
} from "../../src/analytics/index.js";
import { chance } from "../experiments/chance.js";

const DEVICES = 1_000;
const NOISE = 4;
const RUNS = 100;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz";
const WORDS = "the of and to in is you that it he was for on are as with his they at be this have from or".split(" ");

const base = {
  kind: "heavy-hitters",
  table: "t",
  column: "word",
  alphabet: ALPHABET,
  length: 5,
  width: 24,
  minimumDevices: 10,
};

/** What devices add to the sum for some prefixes: with few different words a row each would be the same work again. */
function sumOf(query: ReturnType<typeof parseQuery>, counts: ReadonlyMap<string, number>): Float64Array {
  const sum = new Float64Array(contributionLength(query));
  for (const [word, count] of counts) {
    const rows: Row[] = [{ word }];
    contribution(query, rows).forEach((value, i) => {
      sum[i] = (sum[i] ?? 0) + count * value;
    });
  }
  return sum;
}

t.test("words that stand out of the noise are found with their counts, and hardly any that nobody has", async (t) => {
  const { normal } = chance(44);
  const weights = WORDS.map((_, rank) => 1 / (rank + 1));
  const scale = DEVICES / weights.reduce((sum, weight) => sum + weight, 0);
  const counts = new Map(WORDS.map((word, rank) => [word, Math.round(scale * (weights[rank] ?? 0))]));
  const threshold = branchThreshold({ ...base, kind: "heavy-hitters" }, NOISE * NOISE);
  const due = [...counts].filter(([, count]) => count >= threshold + 3.1 * NOISE).map(([word]) => word);
  t.ok(due.length >= 8 && due.length < WORDS.length, `${due.length} of ${WORDS.length} words stand out`);
  let missed = 0;
  let invented = 0;
  let rounds = 0;
  let covered = 0;
  let told = 0;
  for (let run = 0; run < RUNS; run++) {
    const found = new Map<string, readonly [number, number]>();
    let prefixes: readonly string[] | undefined;
    for (let step = 0; step < base.length && prefixes?.length !== 0; step++) {
      const query = parseQuery(JSON.stringify({ ...base, prefixes }));
      if (query.kind !== "heavy-hitters") throw new Error("expected the query that was written");
      const sums = sumOf(query, counts).map((count) => count + NOISE * normal());
      const read = trieStep(query, sums, NOISE * NOISE);
      for (const { word, devices } of read.words) found.set(word, devices.interval);
      invented += read.prefixes.filter((prefix) => !WORDS.some((word) => word.startsWith(prefix))).length > 0 ? 1 : 0;
      rounds += 1;
      prefixes = read.prefixes;
    }
    missed += due.filter((word) => !found.has(word)).length;
    for (const word of due) {
      const [low, high] = found.get(word) ?? [Number.NaN, Number.NaN];
      told += found.has(word) ? 1 : 0;
      covered += low <= (counts.get(word) ?? 0) && (counts.get(word) ?? 0) <= high ? 1 : 0;
    }
  }
  t.comment(
    `missed ${missed} of ${RUNS * due.length}, invented in ${invented} of ${rounds} rounds, covered ${covered / told}`,
  );
  t.ok(missed <= 0.01 * RUNS * due.length, `${missed} of ${RUNS * due.length} words are missed`);
  t.ok(invented <= 0.05 * rounds, `${invented} of ${rounds} rounds follow a branch that nobody is on`);
  t.ok(covered >= 0.93 * told && covered <= 0.97 * told, `counts are covered in ${covered} of ${told}`);
});
