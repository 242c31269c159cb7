import type { JSX } from "preact";
import type { Answer } from "../api/analytics-resources.js";
import { figure } from "../theme/figures.js";

/** Where the numbers of a release come from, and that they come out the same again. */
export function JournalNote({ answer }: { readonly answer: Answer }): JSX.Element {
  const { population, round, noiseStdDev, journal } = answer;
  return (
    <details class="journal">
      <summary>
        Journal entry {journal.index},{" "}
        {journal.replays ? (
          <span class="good">computed again just now: the same</span>
        ) : (
          <span class="critical">computed again just now: not the same</span>
        )}
      </summary>
      <dl class="facts">
        <dt>Round</dt>
        <dd>
          {round}, its plan is entry {journal.plan} of the log
        </dd>
        <dt>Noise</dt>
        <dd>±{figure(noiseStdDev)} on each sum (standard deviation)</dd>
        <dt>Noised sum</dt>
        <dd class="hash">{journal.aggregate}</dd>
        <dt>Check</dt>
        <dd>
          <code>fedloop journal --population {population}</code>
        </dd>
      </dl>
    </details>
  );
}

/** Releases by their places in the journal. */
export function JournalEntries({ entries }: { readonly entries: readonly number[] }): JSX.Element {
  return (
    <span class="quiet">
      journal {entries.length === 1 ? "entry" : "entries"} {entries.join(", ")}
    </span>
  );
}
