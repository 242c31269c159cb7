import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ThemeSwitch } from "../theme/theme-switch.js";
import { fetchOffers, type Offers } from "./offers.js";
import { PopulationConsents } from "./population-consents.js";

/** What a person has been asked, and everything that is theirs to decide. */
export function ConsentCentre(): JSX.Element {
  const [offers, setOffers] = useState<Offers>();
  const [isUnreachable, setUnreachable] = useState(false);
  useEffect(() => {
    fetchOffers().then(setOffers, () => setUnreachable(true));
  }, []);
  return (
    <>
      <header class="top">
        <h1>Your consents</h1>
        <ThemeSwitch />
      </header>
      <main>
        <section class="card">
          <p>
            What you decide here is signed by a key that never leaves this browser, and put into a public log under a
            pseudonym. You can take it back at any time, in one step.
          </p>
        </section>
        {isUnreachable && (
          <p class="card critical" role="alert">
            The coordinator cannot be reached. Load this page again when it can.
          </p>
        )}
        {offers?.offers.map((offer) => (
          <PopulationConsents key={offer.population} offer={offer} jurisdiction={offers.jurisdiction} />
        ))}
        {offers === undefined && !isUnreachable && <p class="waiting">Asking the coordinator …</p>}
      </main>
    </>
  );
}
