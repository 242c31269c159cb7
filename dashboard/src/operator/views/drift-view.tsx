import type { JSX } from "preact";
import type { Answer, DriftReport } from "../../api/analytics-resources.js";
import { resources } from "../../api/resources.js";
import { count, figure, probability } from "../../theme/figures.js";
import { IntervalBar, scaleOf } from "../interval-bar.js";
import { JournalEntries } from "../journal-note.js";
import { Measured } from "../measured.js";
import { Problem } from "../problem.js";
import { ScrollingTable } from "../scrolling-table.js";
import type { PopulationViewProps } from "./population-view.js";
import { useList } from "./use-list.js";

/** Whether what devices answer has moved: each time that a histogram was asked, against its reference. */
export function DriftView(props: PopulationViewProps): JSX.Element {
  const { value: reports, error } = useList(props, "/drift", resources.drift);
  const { value: answers } = useList(props, "/answers", resources.answers);
  return (
    <>
      <Problem error={error} />
      {reports?.length === 0 && (
        <p class="card quiet">Nothing to compare: no histogram or categories of this population were asked twice.</p>
      )}
      <div class="grid">
        {reports?.map((report) => (
          <Report
            key={report.query}
            report={report}
            answers={(answers ?? []).filter(({ query }) => query === report.query)}
          />
        ))}
      </div>
    </>
  );
}

type Look = DriftReport["looks"][number];

function verdict({ isDrift, drift }: Look): JSX.Element {
  if (isDrift) return <span class="warning">has moved</span>;
  return drift === null ? <span class="quiet">too noisy to tell</span> : <span class="good">has not moved</span>;
}

function Report({
  report,
  answers,
}: {
  readonly report: DriftReport;
  readonly answers: readonly Answer[];
}): JSX.Element {
  const { query, looks, found } = report;
  const newest = looks.at(-1);
  return (
    <article class="card wide" data-query={query}>
      <h3>
        {query} {newest !== undefined && <span class="badge">{verdict(newest)}</span>}
      </h3>
      <p class="quiet">
        {found === 1 ? "1 drift" : `${count(found)} drifts`} so far. A distance is a drift from the threshold on that
        people and noise alone pass in 5 of 1 000 turns.
      </p>
      {newest?.drift === null && (
        <p>
          The noise leaves nothing to compare: it takes about {count(newest.fewestDevices)} devices a turn, if they fall
          evenly into two halves of the bins, or a larger ε for the query.
        </p>
      )}
      <ScrollingTable name={`${query} over time`}>
        <thead>
          <tr>
            <th>Time</th>
            <th>Verdict</th>
            <th class="number">p</th>
            <th class="number">Jensen–Shannon (threshold)</th>
            <th class="number">Stability index (threshold)</th>
            <th>Releases</th>
          </tr>
        </thead>
        <tbody>
          {looks.toReversed().map((look) => (
            <LookRow key={look.turn} look={look} />
          ))}
        </tbody>
      </ScrollingTable>
      {newest !== undefined && <Histograms look={newest} answers={answers} />}
    </article>
  );
}

function LookRow({ look }: { readonly look: Look }): JSX.Element {
  const { turn, reference, drift, journal } = look;
  return (
    <tr>
      <th scope="row">
        {turn} against {reference}
      </th>
      <td>{verdict(look)}</td>
      <td class="number">{drift === null ? "–" : <Measured value={drift.pValue} as={probability} />}</td>
      {drift === null
        ? ["jensen-shannon", "stability-index"].map((each) => (
            <td class="number" key={each}>
              –
            </td>
          ))
        : [drift.jensenShannon, drift.stabilityIndex].map(({ value, threshold }) => (
            <td class="number" key={threshold}>
              <Measured value={value} /> ({figure(threshold)})
            </td>
          ))}
      <td>
        <JournalEntries entries={[journal.reference, journal.present]} />
      </td>
    </tr>
  );
}

/** The two histograms that were compared last, bin by bin. */
function Histograms({
  look,
  answers,
}: {
  readonly look: Look;
  readonly answers: readonly Answer[];
}): JSX.Element | null {
  const [before, after] = [look.reference, look.turn].map((turn) => answers.find((answer) => answer.turn === turn));
  if (before === undefined || after === undefined) return null;
  const scale = scaleOf([...before.estimates, ...after.estimates], 0);
  return (
    <ScrollingTable name={`${after.query}, bin by bin`}>
      <caption>Devices in each bin, with 95 % intervals of the noise</caption>
      <thead>
        <tr>
          <th>Bin</th>
          {[before, after].map(({ turn }) => (
            <th key={turn} class="number">
              Time {turn}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {after.estimates.map(({ name }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            {[before, after].map(({ turn, estimates, minimumDevices }) => {
              const { value = null, low = null, high = null } = estimates.find((each) => each.name === name) ?? {};
              return value === null ? (
                <td key={turn} class="number quiet">
                  withheld: fewer than {count(minimumDevices)}
                </td>
              ) : (
                <td key={turn} class="number">
                  <Measured value={value} />
                  <IntervalBar scale={scale} value={value} low={low} high={high} />
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </ScrollingTable>
  );
}
