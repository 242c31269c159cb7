import type { JSX } from "preact";
import type { Alert } from "../api/resources.js";

/** What an operator should look at now. */
export function Alerts({ alerts }: { readonly alerts: readonly Alert[] }): JSX.Element {
  return (
    <section aria-labelledby="alerts">
      <h2 id="alerts">Alerts</h2>
      {alerts.length === 0 ? (
        <p class="card good">Nothing to look at.</p>
      ) : (
        <ul class="plain alerts">
          {alerts.map(({ code, severity, population, message }) => (
            <li key={`${code} ${population}`} class={severity === "critical" ? "critical" : "warning"}>
              <strong>{severity}</strong>{" "}
              <span class="words">
                {population === null ? "" : `${population}: `}
                {message} <code>{code}</code>
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
