import type { JSX } from "preact";
import type { Model } from "../api/resources.js";
import { at, size } from "../theme/figures.js";

/** The newest models. */
export function ModelsCard({ models }: { readonly models: readonly Model[] }): JSX.Element {
  return (
    <article class="card">
      <h3>Models</h3>
      <ul class="plain">
        {models.map(({ round, sha256, createdMs, bytes }) => (
          <li key={round}>
            {round === 0 ? "before any round" : `of round ${round}`}, {at(createdMs)},{" "}
            {bytes === null ? "file is gone" : size(bytes)} <span class="hash quiet">{sha256}</span>
          </li>
        ))}
      </ul>
    </article>
  );
}
