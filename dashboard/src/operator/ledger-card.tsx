import type { JSX } from "preact";
import type { Ledger } from "../api/resources.js";
import { at, count } from "../theme/figures.js";

/** The head of the transparency log, and who vouches for it. */
export function LedgerCard({ ledger }: { readonly ledger: Ledger }): JSX.Element {
  const { origin, size, root, published, witnesses, quorum, verifierKey } = ledger;
  const behind = size - published.size;
  return (
    <section class="card" aria-labelledby="ledger">
      <h2 id="ledger">Ledger</h2>
      <dl class="facts">
        <dt>Log</dt>
        <dd>{origin}</dd>
        <dt>Entries</dt>
        <dd>
          {count(size)},{" "}
          <span class={behind > 0 ? "warning" : "good"}>
            {behind > 0 ? `${count(behind)} not published` : "all published"}
          </span>
        </dd>
        <dt>Root</dt>
        <dd class="hash">{root}</dd>
        <dt>Verifier key</dt>
        <dd class="hash">{verifierKey}</dd>
        <dt>Witnesses</dt>
        <dd>
          {witnesses.length === 0 ? (
            "none are configured"
          ) : (
            <ul class="plain">
              {witnesses.map(({ name, cosignedMs }) => (
                <li key={name}>
                  {name}:{" "}
                  {cosignedMs === null ? (
                    <span class="warning">has not cosigned this head</span>
                  ) : (
                    <span class="good">cosigned {at(cosignedMs)}</span>
                  )}
                </li>
              ))}
            </ul>
          )}
          {quorum > 0 && <p class="quiet">{quorum} must cosign before anything is published</p>}
        </dd>
      </dl>
    </section>
  );
}
