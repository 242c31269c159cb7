import type { JSX } from "preact";
import type { Experiment } from "../../api/analytics-resources.js";
import { count, figure } from "../../theme/figures.js";
import { ScrollingTable } from "../scrolling-table.js";

/** Why an experiment does not tell, and how many people or how much ε it would take. */
export function Needs({ experiment }: { readonly experiment: Experiment }): JSX.Element {
  const { arms, comparisons, fewestToTell, noiseStdDev, delta, needs } = experiment;
  const unseen = arms.filter(({ mean }) => mean === null).map(({ arm }) => arm);
  return (
    <>
      {comparisons.length < arms.length - 1 && (
        <p>
          {unseen.join(" and ")} cannot be compared: the noise is ±{figure(noiseStdDev)} devices, and an arm of no more
          than {figure(fewestToTell)} is not told from an empty one.
        </p>
      )}
      <details open={comparisons.length === 0}>
        <summary>What it would take</summary>
        <ScrollingTable name={`what ${experiment.name} would take`}>
          <caption>
            To see a difference with a chance of 80 % in one release. Where no ε would do, the people themselves are too
            few.
          </caption>
          <thead>
            <tr>
              <th class="number">Difference</th>
              <th class="number">Devices in each arm, with this noise</th>
              <th class="number">or, with as many as now, ε for this query at δ {delta}</th>
            </tr>
          </thead>
          <tbody>
            {needs.map(({ effect, participantsPerArm, epsilon }) => (
              <tr key={effect}>
                <th scope="row" class="number">
                  {figure(effect)}
                </th>
                <td class="number">{count(participantsPerArm)}</td>
                <td class="number">{epsilon === null ? "none would do" : figure(epsilon)}</td>
              </tr>
            ))}
          </tbody>
        </ScrollingTable>
      </details>
    </>
  );
}
