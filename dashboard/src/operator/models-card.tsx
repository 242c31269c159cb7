import type { JSX } from "preact";
import type { Model } from "../api/resources.js";
import { at, figure, size } from "../theme/figures.js";

/** The newest models, and which devices get them. */
export function ModelsCard({ models }: { readonly models: readonly Model[] }): JSX.Element {
  return (
    <article class="card wide">
      <h3>Models</h3>
      {models.length === 0 && <p class="quiet">None has been released.</p>}
      <ul class="plain">
        {models.map(({ round, sha256, stage, sharePercent, sinceMs, bytes }) => (
          <li key={round}>
            Round {round} <span class={`badge ${stage === "live" ? "good" : ""}`}>{stage}</span>
            {sharePercent === null ? "" : ` for ${figure(sharePercent)} % of devices`} since {at(sinceMs)},{" "}
            {bytes === null ? "file is gone" : size(bytes)} <span class="hash quiet">{sha256}</span>
          </li>
        ))}
      </ul>
    </article>
  );
}
