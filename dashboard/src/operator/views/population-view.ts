import type { ApiClient } from "../../api/client.js";
import type { Population } from "../../api/resources.js";

/** What each view of a population is given. */
export interface PopulationViewProps {
  readonly client: ApiClient;
  readonly population: Population;
}
