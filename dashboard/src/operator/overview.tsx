import type { JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { ApiClient } from "../api/client.js";
import { usePolled } from "../api/polled.js";
import { type Alert, type Ledger, type Population, resources } from "../api/resources.js";
import { Alerts } from "./alerts.js";
import { LedgerCard } from "./ledger-card.js";
import { PopulationCard } from "./population-card.js";
import { PopulationDetails } from "./population-details.js";
import { routeOf } from "./route.js";

interface Seen {
  readonly populations: readonly Population[];
  readonly alerts: readonly Alert[];
  readonly ledger: Ledger;
}

export interface OverviewProps {
  readonly client: ApiClient;
  /** Told when the token is not taken. */
  readonly onRefused: (why: string) => void;
}

/** Everything at a glance, and one population in detail: the one that the address names after `#`. */
export function Overview({ client, onRefused }: OverviewProps): JSX.Element {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const follow = (): void => setRoute(routeOf(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const load = useCallback(
    async (signal: AbortSignal): Promise<Seen> => {
      const [populations, alerts, ledger] = await Promise.all([
        client.get("/populations", resources.populations, signal),
        client.get("/alerts", resources.alerts, signal),
        client.get("/ledger", resources.ledger, signal),
      ]);
      return { populations: populations.items, alerts: alerts.items, ledger };
    },
    [client],
  );
  const { value, error } = usePolled(load);
  useEffect(() => {
    if (error?.code === "TOKEN") onRefused(error.message);
  }, [error]);
  const shown = value?.populations.find(({ population }) => population === route.population) ?? value?.populations[0];
  return (
    <>
      <div role="status" aria-live="polite">
        {error !== undefined && <p class="card warning">{error.message}</p>}
      </div>
      {value === undefined ? (
        <p class="waiting">Asking the coordinator …</p>
      ) : (
        <>
          <Alerts alerts={value.alerts} />
          <section aria-labelledby="populations">
            <h2 id="populations">Populations</h2>
            {value.populations.length === 0 && <p class="card quiet">This token sees no population.</p>}
            <div class="grid">
              {value.populations.map((population) => (
                <PopulationCard
                  key={population.population}
                  population={population}
                  isShown={population === shown}
                  isAlone={value.populations.length === 1}
                />
              ))}
            </div>
          </section>
          {shown !== undefined && (
            <PopulationDetails key={shown.population} client={client} population={shown} view={route.view} />
          )}
          <LedgerCard ledger={value.ledger} />
        </>
      )}
    </>
  );
}
