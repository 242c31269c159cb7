/** What of a population is looked at. */
export const VIEWS = [
  ["rounds", "Rounds and models"],
  ["experiments", "Experiments"],
  ["releases", "Releases"],
  ["retention", "Retention"],
  ["drift", "Drift"],
] as const;

export type View = (typeof VIEWS)[number][0];

/** What the address names after `#`. */
export interface Route {
  readonly population: string;
  readonly view: View;
}

/** @param hash such as `#learners/drift`; what it does not say is the first view */
export function routeOf(hash: string): Route {
  const [population = "", view] = hash.slice(1).split("/");
  const [known] = VIEWS.find(([each]) => each === view) ?? VIEWS[0];
  return { population: decodeURIComponent(population), view: known };
}

export function hashOf({ population, view }: Route): string {
  return `#${encodeURIComponent(population)}/${view}`;
}
