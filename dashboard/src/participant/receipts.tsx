import type { BudgetReport, Participant } from "@fedloop/client-runtime";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { at, figure } from "../theme/figures.js";

/** What this person has put into the log, and what taking part has cost. */
export function Receipts({ participant }: { readonly participant: Participant }): JSX.Element {
  const receipts = participant.receipts();
  const [budget, setBudget] = useState<BudgetReport>();
  useEffect(() => {
    participant.budget().then(setBudget, () => setBudget(undefined));
  }, [receipts.length]);
  return (
    <div>
      <h3>Receipts</h3>
      {budget !== undefined && (
        <p class="quiet">
          {budget.rounds} rounds of training cost ε {figure(budget.epsilon)} at δ {budget.delta}, counted by this
          browser.
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls needs the focus */}
      <section class="scroll" tabIndex={0} aria-label="receipts">
        <table>
          <thead>
            <tr>
              <th>What</th>
              <th>When</th>
              <th class="number">Entry of the log</th>
            </tr>
          </thead>
          <tbody>
            {receipts.map(({ type, timeMs, index, round }) => (
              <tr key={`${type} ${index}`}>
                <td>{round === null ? type : `${type} ${round}`}</td>
                <td>{at(timeMs)}</td>
                <td class="number">{index}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p class="quiet">
        Your pseudonym there: <span class="hash">{participant.subject}</span>
      </p>
    </div>
  );
}
