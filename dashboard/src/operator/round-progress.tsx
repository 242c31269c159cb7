import { ROUND_STATES } from "@fedloop/proto";
import type { JSX } from "preact";
import type { Round } from "../api/resources.js";
import { count, span } from "../theme/figures.js";

/** Those of secure aggregation are skipped by rounds without. */
const STATES: readonly string[] = ROUND_STATES.filter((state) => state !== "abandoned");

/** Where a round stands, with the devices it waits for. */
export function RoundProgress({ round }: { readonly round: Round }): JSX.Element {
  const { state, live, deadlineMs, reason, participants } = round;
  const place = STATES.indexOf(state);
  return (
    <div>
      <p>
        Round {round.round} <span class="quiet">({round.kind})</span>{" "}
        <span class={`badge ${state === "abandoned" ? "critical" : state === "closed" ? "good" : ""}`}>{state}</span>
        {reason === null ? "" : ` ${reason}`}
      </p>
      {state !== "abandoned" && (
        <ol class="steps" aria-label={`state: ${state}`}>
          {STATES.map((each, at) => (
            <li
              key={each}
              class={at < place ? "past" : at === place ? "now" : ""}
              aria-current={at === place ? "step" : undefined}
            >
              {each}
            </li>
          ))}
        </ol>
      )}
      {live !== null && state !== "closed" && state !== "abandoned" && (
        <p>
          {count(live.answered)} of {count(live.expected)} devices have answered, at least {count(live.minimum)} must
          {deadlineMs === null ? "" : `; the state ends ${span(deadlineMs - Date.now())}`}
        </p>
      )}
      <p class="quiet">
        {count(participants.submitted)} submitted, {count(participants.joined)} joined, {count(participants.left)} left,{" "}
        {count(participants.dropped)} dropped
      </p>
    </div>
  );
}
