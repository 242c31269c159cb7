import type { JSX } from "preact";
import type { Answer, Estimate } from "../../api/analytics-resources.js";
import { resources } from "../../api/resources.js";
import { at, count } from "../../theme/figures.js";
import { BudgetGauge } from "../budget-gauge.js";
import { DrawnHead, EstimateCells } from "../estimate-cells.js";
import { type Scale, scaleOf } from "../interval-bar.js";
import { JournalNote } from "../journal-note.js";
import { Problem } from "../problem.js";
import { ScrollingTable } from "../scrolling-table.js";
import type { PopulationViewProps } from "./population-view.js";
import { useList } from "./use-list.js";

/** What left the rounds that ask: every released number with its interval, what is withheld, and what it cost. */
export function ReleasesView(props: PopulationViewProps): JSX.Element {
  const { value: answers, error } = useList(props, "/answers", resources.answers);
  const newest = new Map((answers ?? []).toReversed().map((answer) => [answer.query, answer]));
  return (
    <>
      <Problem error={error} />
      {answers?.length === 0 && <p class="card quiet">No query of this population has been answered.</p>}
      {answers !== undefined && answers.length > 0 && (
        <div class="grid">
          <Spent {...props} answers={answers} />
          {answers.map((answer) => (
            <Release key={answer.round} answer={answer} isNewest={newest.get(answer.query) === answer} />
          ))}
        </div>
      )}
    </>
  );
}

function Spent({ population, answers }: PopulationViewProps & { readonly answers: readonly Answer[] }): JSX.Element {
  return (
    <article class="card wide">
      <h3>ε spent</h3>
      <BudgetGauge budget={population.budget} />
      <p class="quiet">Costs compose: all releases together cost less than the sum of what each costs by itself.</p>
      <ScrollingTable name="ε by release">
        <thead>
          <tr>
            <th>Release</th>
            <th>Closed</th>
            <th class="number">Devices</th>
            <th class="number">ε by itself</th>
            <th class="number">ε so far</th>
            <th class="number">Journal</th>
          </tr>
        </thead>
        <tbody>
          {answers.map(({ round, query, turn, closedMs, members, ownEpsilon, epsilon, journal }) => (
            <tr key={round}>
              <td>
                {query}, time {turn}
              </td>
              <td>{at(closedMs)}</td>
              <td class="number">{count(members)}</td>
              <td class="number">{ownEpsilon}</td>
              <td class="number">{epsilon}</td>
              <td class="number">{journal.index}</td>
            </tr>
          ))}
        </tbody>
      </ScrollingTable>
    </article>
  );
}

/** Kinds whose cells are counts of devices: only the floor withholds one. */
const COUNTS = new Set(["count", "histogram", "categories", "votes"]);

function withheld({ kind, minimumDevices }: Answer): string {
  const few = `withheld: fewer than ${count(minimumDevices)} devices`;
  return COUNTS.has(kind) ? few : `${few}, or nothing but noise`;
}

function Release({ answer, isNewest }: { readonly answer: Answer; readonly isNewest: boolean }): JSX.Element {
  const { query, kind, turn, about, members, estimates, ownEpsilon, epsilon } = answer;
  // Devices and means have no scale in common; the view of experiments draws each by itself.
  const scale = kind === "experiment" ? null : scaleOf(estimates, 0);
  return (
    <article class="card wide" data-journal={answer.journal.index}>
      <h3>
        {query}{" "}
        <span class="quiet">
          ({kind}), time {turn}
        </span>
      </h3>
      <p class="quiet">
        {count(members)} devices, ε {ownEpsilon} by itself, {epsilon} so far{about === null ? "" : `, about ${about}`}
      </p>
      <details open={isNewest}>
        <summary>Numbers</summary>
        <ScrollingTable name={`${query}, time ${turn}`}>
          <thead>
            <tr>
              <th>What</th>
              <th class="number">Estimate</th>
              <th class="number">95 % interval</th>
              <DrawnHead />
            </tr>
          </thead>
          <tbody>
            {estimates.map((estimate) => (
              <Cell key={estimate.name} estimate={estimate} scale={scale} withheld={withheld(answer)} />
            ))}
          </tbody>
        </ScrollingTable>
      </details>
      <JournalNote answer={answer} />
    </article>
  );
}

interface CellProps {
  readonly estimate: Estimate;
  /** Null where nothing is drawn. */
  readonly scale: Scale | null;
  readonly withheld: string;
}

function Cell({ estimate, scale, withheld }: CellProps): JSX.Element {
  const { name, value, low, high } = estimate;
  return (
    <tr>
      <th scope="row">{name}</th>
      <EstimateCells value={value} low={low} high={high} scale={scale} mark={0} withheld={withheld} />
    </tr>
  );
}
