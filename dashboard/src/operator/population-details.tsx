import type { JSX } from "preact";
import { hashOf, VIEWS, type View } from "./route.js";
import { DriftView } from "./views/drift-view.js";
import { ExperimentsView } from "./views/experiments-view.js";
import type { PopulationViewProps } from "./views/population-view.js";
import { ReleasesView } from "./views/releases-view.js";
import { RetentionView } from "./views/retention-view.js";
import { RoundsView } from "./views/rounds-view.js";

const SHOWN: Readonly<Record<View, (props: PopulationViewProps) => JSX.Element>> = {
  rounds: RoundsView,
  experiments: ExperimentsView,
  releases: ReleasesView,
  retention: RetentionView,
  drift: DriftView,
};

/** One population, from the side that the address names. */
export function PopulationDetails({ view, ...props }: PopulationViewProps & { readonly view: View }): JSX.Element {
  const { population } = props.population;
  const Shown = SHOWN[view];
  return (
    <section aria-labelledby="details">
      <h2 id="details">{population}</h2>
      <nav aria-label={population}>
        <ul class="tabs">
          {VIEWS.map(([each, title]) => (
            <li key={each}>
              <a href={hashOf({ population, view: each })} aria-current={each === view ? "page" : undefined}>
                {title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Shown {...props} />
    </section>
  );
}
