import type { JSX } from "preact";
import type { Comparison, Experiment } from "../../api/analytics-resources.js";
import { resources } from "../../api/resources.js";
import { count, figure, probability } from "../../theme/figures.js";
import { DrawnHead, EstimateCells } from "../estimate-cells.js";
import { IntervalBar, scaleOf } from "../interval-bar.js";
import { JournalEntries } from "../journal-note.js";
import { Interval, Measured, percent } from "../measured.js";
import { Problem } from "../problem.js";
import { ScrollingTable } from "../scrolling-table.js";
import { Needs } from "./experiment-needs.js";
import type { PopulationViewProps } from "./population-view.js";
import { useList } from "./use-list.js";

/** Experiments: arms, the effect with its intervals, whether it is decided, and what it would take. */
export function ExperimentsView(props: PopulationViewProps): JSX.Element {
  const { value: experiments, error } = useList(props, "/experiments", resources.experiments);
  return (
    <>
      <Problem error={error} />
      {experiments?.length === 0 && <p class="card quiet">No experiment of this population has been answered.</p>}
      <div class="grid">
        {experiments?.map((experiment) => (
          <ExperimentCard key={experiment.name} experiment={experiment} />
        ))}
      </div>
    </>
  );
}

function verdict({ isMismatch, comparisons }: Experiment): JSX.Element {
  if (isMismatch) return <span class="critical">do not trust it</span>;
  if (comparisons.length === 0) return <span class="warning">too few to tell</span>;
  const decided = comparisons.filter(({ isDecided }) => isDecided);
  if (decided.length === 0) return <span>no difference shown yet</span>;
  const words = decided.map(({ arm, difference }) => `${arm} is ${difference > 0 ? "higher" : "lower"}`);
  return <span class="good">{words.join(", ")}</span>;
}

function ExperimentCard({ experiment }: { readonly experiment: Experiment }): JSX.Element {
  const { name, looks, epsilon, delta, journal, isMismatch, sampleRatio, comparisons } = experiment;
  return (
    <article class="card wide" data-experiment={name}>
      <h3>
        {name} <span class="badge">{verdict(experiment)}</span>
      </h3>
      <p class="quiet">
        {looks === 1 ? "1 release" : `${count(looks)} releases`}, ε {epsilon} at δ {delta} so far,{" "}
        <JournalEntries entries={journal} />
      </p>
      {isMismatch ? (
        <p class="critical" role="alert">
          Sample ratio alarm (p <Measured value={sampleRatio} as={probability} />
          ): people are not spread over the arms as they should be. Find the cause before you trust anything here.
        </p>
      ) : (
        <p class="quiet">
          Sample ratio: p <Measured value={sampleRatio} as={probability} />, people fell into the arms as they should.
        </p>
      )}
      <Arms experiment={experiment} />
      {comparisons.map((comparison) => (
        <Effect key={comparison.arm} comparison={comparison} />
      ))}
      <Needs experiment={experiment} />
    </article>
  );
}

function Arms({ experiment }: { readonly experiment: Experiment }): JSX.Element {
  const { arms, noiseStdDev, fewestToTell, lower, upper } = experiment;
  return (
    <ScrollingTable name={`arms of ${experiment.name}`}>
      <thead>
        <tr>
          <th>Arm</th>
          <th class="number">Devices (noise ±{figure(noiseStdDev)})</th>
          <th class="number">Mean</th>
          <th class="number">95 % interval, noise included</th>
          <DrawnHead />
        </tr>
      </thead>
      <tbody>
        {arms.map(({ arm, participants, mean, low, high }) => (
          <tr key={arm}>
            <th scope="row">{arm}</th>
            <td class="number">
              {participants === null ? <span class="quiet">withheld</span> : <Measured value={participants} />}
            </td>
            <EstimateCells
              value={mean}
              low={low}
              high={high}
              scale={[lower, upper]}
              withheld={`too few to tell: a mean takes more than ${figure(fewestToTell)}, four times the noise`}
            />
          </tr>
        ))}
      </tbody>
    </ScrollingTable>
  );
}

function Effect({ comparison }: { readonly comparison: Comparison }): JSX.Element {
  const { arm, control, difference, noiseShare, low, high, pValue, isDecided, looks } = comparison;
  const { oneLook, bayesian, probabilityBetter } = comparison;
  const analyses = [
    { name: "at any look", says: <>p {probability(pValue)}</>, low, high },
    { name: "one planned look", says: <>p {probability(oneLook.pValue)}</>, low: oneLook.low, high: oneLook.high },
    {
      name: "Bayesian",
      says: <>better with {percent(probabilityBetter)}</>,
      low: bayesian.low,
      high: bayesian.high,
    },
  ];
  const scale = scaleOf(
    [...analyses, ...looks].map((each) => ({ ...each, value: difference })),
    0,
  );
  return (
    <>
      <p>
        <strong>
          {arm} less {control}: <Measured value={difference} />
        </strong>
        , {percent(noiseShare)} of its variance is noise.{" "}
        {isDecided ? (
          <span class="good">Decided: the interval at any look has left no difference out.</span>
        ) : (
          <span>Not decided: the interval at any look still holds no difference.</span>
        )}
      </p>
      <ScrollingTable name={`${arm} less ${control}`}>
        <thead>
          <tr>
            <th>Analysis</th>
            <th class="number">95 % interval, noise included</th>
            <DrawnHead />
            <th>Says</th>
          </tr>
        </thead>
        <tbody>
          {analyses.map(({ name, says, ...ends }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">
                <Interval {...ends} />
              </td>
              <td class="bar">
                <IntervalBar scale={scale} value={difference} mark={0} {...ends} />
              </td>
              <td>{says}</td>
            </tr>
          ))}
        </tbody>
      </ScrollingTable>
      {looks.length > 1 && (
        <ScrollingTable name={`${arm} less ${control}, look by look`}>
          <caption>The boundary, look by look: decided once the interval leaves no difference out</caption>
          <thead>
            <tr>
              <th class="number">Time</th>
              <th class="number">Difference</th>
              <th class="number">Interval at any look</th>
              <DrawnHead />
              <th class="number">Journal</th>
            </tr>
          </thead>
          <tbody>
            {looks.map((look) => (
              <tr key={look.turn}>
                <th scope="row" class="number">
                  {look.turn}
                </th>
                <EstimateCells value={look.difference} low={look.low} high={look.high} scale={scale} mark={0} />
                <td class="number">{look.journal}</td>
              </tr>
            ))}
          </tbody>
        </ScrollingTable>
      )}
    </>
  );
}
