import type { JSX } from "preact";
import type { Answer } from "../../api/analytics-resources.js";
import { resources } from "../../api/resources.js";
import { at, count } from "../../theme/figures.js";
import { DrawnHead, EstimateCells } from "../estimate-cells.js";
import { JournalNote } from "../journal-note.js";
import { LineChart } from "../line-chart.js";
import { percent } from "../measured.js";
import { Problem } from "../problem.js";
import { ScrollingTable } from "../scrolling-table.js";
import type { PopulationViewProps } from "./population-view.js";
import { useList } from "./use-list.js";

/** Curves: which part of a cohort was active on day k since joining. */
export function RetentionView(props: PopulationViewProps): JSX.Element {
  const { value: answers, error } = useList(props, "/answers", resources.answers);
  const curves = (answers ?? []).flatMap((answer) => (answer.curve === null ? [] : [{ answer, curve: answer.curve }]));
  return (
    <>
      <Problem error={error} />
      {answers !== undefined && curves.length === 0 && (
        <p class="card quiet">
          No curve has been released. A query of the kind ratio is one if its parts differ in one number, such as the
          day since joining.
        </p>
      )}
      <div class="grid">
        {curves.map(({ answer, curve }) => (
          <Curve key={answer.round} answer={answer} curve={curve} />
        ))}
      </div>
    </>
  );
}

const WHOLE = [0, 1] as const;

function Curve({ answer, curve }: { readonly answer: Answer; readonly curve: string }): JSX.Element {
  const { query, turn, members, closedMs, minimumDevices, epsilon } = answer;
  const cells = answer.estimates
    .flatMap((estimate) => (estimate.at === null ? [] : [{ ...estimate, at: estimate.at }]))
    .sort((one, other) => one.at - other.at);
  const points = cells.flatMap(({ at, value, low, high }) => (value === null ? [] : [{ at, value, low, high }]));
  return (
    <article class="card wide" data-journal={answer.journal.index}>
      <h3>
        {query} <span class="quiet">time {turn}</span>
      </h3>
      <p class="quiet">
        {count(members)} devices answered, {at(closedMs)}; ε {epsilon} so far. Parts of those that the query is about,
        with their 95 % intervals.
      </p>
      {points.length > 1 && <LineChart points={points} across={curve} up="part" />}
      <ScrollingTable name={`${query}, time ${turn}`}>
        <thead>
          <tr>
            <th class="number">{curve}</th>
            <th class="number">Part</th>
            <th class="number">95 % interval</th>
            <DrawnHead />
          </tr>
        </thead>
        <tbody>
          {cells.map(({ name, at, value, low, high }) => (
            <tr key={name}>
              <th scope="row" class="number">
                {at}
              </th>
              <EstimateCells
                value={value}
                low={low}
                high={high}
                as={percent}
                scale={WHOLE}
                withheld={`withheld: fewer than ${count(minimumDevices)} devices, or nothing but noise`}
              />
            </tr>
          ))}
        </tbody>
      </ScrollingTable>
      <JournalNote answer={answer} />
    </article>
  );
}
