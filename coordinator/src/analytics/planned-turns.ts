import type { PopulationPlan } from "../plan/population-plan.js";
import type { StoreReader } from "../store/sqlite-reader.js";

/** How often each population's plan asks a query; 1 for one that is in no plan any more. */
export async function plannedTurns({
  db,
}: Pick<StoreReader, "db">): Promise<(population: string, name: string) => number> {
  const turns = new Map<string, number>();
  for (const { name, plan } of await db.selectFrom("populations").select(["name", "plan"]).execute()) {
    const { analytics }: Pick<PopulationPlan, "analytics"> = JSON.parse(plan);
    for (const query of analytics?.queries ?? []) turns.set(JSON.stringify([name, query.name]), query.times);
  }
  return (population, name) => turns.get(JSON.stringify([population, name])) ?? 1;
}
