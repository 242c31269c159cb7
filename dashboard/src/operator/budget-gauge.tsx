import type { JSX } from "preact";
import type { Budget } from "../api/resources.js";
import { figure } from "../theme/figures.js";

/** From this part of the cap on it is time to look, as the coordinator's own alert has it. */
const NEARLY = 0.8;

function epsilon(text: string): number {
  return text === "unbounded" ? Number.POSITIVE_INFINITY : Number(text);
}

function part(value: number, cap: number): string {
  return `${Math.min(100, (100 * value) / cap).toFixed(1)}%`;
}

/** How much of its privacy budget a population has spent. */
export function BudgetGauge({ budget }: { readonly budget: Budget }): JSX.Element {
  const { spent: spentText, reserved, cap, delta, unit } = budget;
  const spent = epsilon(spentText);
  if (cap === null || !Number.isFinite(cap)) {
    const words = Number.isFinite(spent)
      ? `ε ${figure(spent)} spent, without a cap`
      : "no differential privacy, by its plan";
    return <p class="quiet">Budget: {words}</p>;
  }
  const level = spent >= cap ? "critical" : spent >= NEARLY * cap ? "warning" : "";
  const words = `ε ${figure(spent)} of ${figure(cap)} spent`;
  const more = reserved === null ? "" : `, ${figure(epsilon(reserved))} with the round under way`;
  return (
    <div>
      <p>
        {words}
        {more}{" "}
        <span class="quiet">
          at δ {delta === null ? "–" : delta}, for each {unit}
        </span>
      </p>
      {/* biome-ignore lint/a11y/useSemanticElements: <meter> cannot show what is reserved on top */}
      <div
        class="gauge"
        role="meter"
        aria-label="privacy budget"
        aria-valuemin={0}
        aria-valuemax={cap}
        aria-valuenow={Math.min(spent, cap)}
        aria-valuetext={words + more}
      >
        {reserved !== null && <span class="reserved" style={{ width: part(epsilon(reserved), cap) }} />}
        <span class={level} style={{ width: part(spent, cap) }} />
      </div>
    </div>
  );
}
