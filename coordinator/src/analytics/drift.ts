// Drift in what populations answer: each turn of a query against the turn that the last drift was found at.
import { type Drift, driftAtNewest, fewestToCompare, type NoisedHistogram } from "@fedloop/privacy/analytics";
import type { AnsweredQuery } from "./results.js";

/** One turn of a watched query. */
export interface DriftLook {
  readonly turn: number;
  readonly round: number;
  /** The turn that it is compared with. */
  readonly reference: number;
  /** Indices of both turns' releases in the log. */
  readonly journal: { readonly present: number; readonly reference: number };
  /** Participants that each turn needs for its noise, if they fall evenly into two halves of the bins. */
  readonly fewestDevices: number;
  /** Null where noise leaves nothing to compare. */
  readonly drift: Drift | null;
}

/** A query of a kind that drift is looked for in, asked more than once. */
export interface DriftReport {
  readonly population: string;
  readonly name: string;
  /** From the second turn on. */
  readonly looks: readonly DriftLook[];
  /** How many drifts were found so far. */
  readonly found: number;
}

const WATCHED: ReadonlySet<string> = new Set(["histogram", "categories"]);

/** The released sums of a histogram, whatever of it is withheld from readers. */
function histogramOf({ sums, result }: AnsweredQuery): NoisedHistogram {
  return { counts: [...sums], noiseVariance: result.noiseVariance };
}

/**
 * What all turns of histograms and categories say about drift. After a drift the turn that showed it is the new reference:
 * what it led to is judged by what it was then. A function of released sums alone, so a restart changes nothing.
 */
export function driftReports(answers: readonly AnsweredQuery[]): readonly DriftReport[] {
  const groups = new Map<string, AnsweredQuery[]>();
  for (const answer of answers) {
    if (!WATCHED.has(answer.query.kind)) continue;
    const key = JSON.stringify([answer.population, answer.name, answer.query]);
    groups.set(key, [...(groups.get(key) ?? []), answer]);
  }
  return [...groups.values()].flatMap((group) => (group.length > 1 ? [reportOf(group)] : []));
}

function reportOf(answers: readonly AnsweredQuery[]): DriftReport {
  const looks: DriftLook[] = [];
  let [reference] = answers;
  let recent: AnsweredQuery[] = [];
  let found = 0;
  for (const answer of answers.slice(1)) {
    if (reference === undefined) break;
    recent.push(answer);
    const drift = driftAtNewest(histogramOf(reference), recent.map(histogramOf));
    looks.push({
      turn: answer.turn,
      round: answer.round,
      reference: reference.turn,
      journal: { present: answer.journal, reference: reference.journal },
      fewestDevices: fewestToCompare(answer.sums.length, reference.result.noiseVariance + answer.result.noiseVariance),
      drift,
    });
    if (drift?.isDrift !== true) continue;
    found += 1;
    reference = answer;
    recent = [];
  }
  const [first] = answers;
  return { population: first?.population ?? "", name: first?.name ?? "", looks, found };
}
