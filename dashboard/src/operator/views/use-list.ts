import { useCallback } from "preact/hooks";
import type * as z from "zod/mini";
import { type Polled, usePolled } from "../../api/polled.js";
import type { PopulationViewProps } from "./population-view.js";

/** A list of the API about one population, asked for again and again while it is looked at. */
export function useList<Item>(
  { client, population: { population } }: PopulationViewProps,
  path: string,
  schema: z.ZodMiniType<{ readonly items: readonly Item[] }>,
): Polled<readonly Item[]> {
  const load = useCallback(
    async (signal: AbortSignal) =>
      (await client.get(`${path}?population=${encodeURIComponent(population)}`, schema, signal)).items,
    [client, population, path, schema],
  );
  return usePolled(load);
}
