import * as z from "zod/mini";

/** What a person may be asked: a population and what for. */
export interface Offer {
  readonly population: string;
  readonly controller: string;
  readonly purpose: string;
  readonly dataCategories: readonly string[];
}

/** What the coordinator offers, and whose law holds. */
export interface Offers {
  readonly jurisdiction: string;
  readonly offers: readonly Offer[];
}

const schema: z.ZodMiniType<Offers> = z.object({
  jurisdiction: z.string(),
  offers: z.array(
    z.object({
      population: z.string(),
      controller: z.string(),
      purpose: z.string(),
      dataCategories: z.array(z.string()),
    }),
  ),
});

/** @throws Error where the coordinator cannot be reached */
export async function fetchOffers(): Promise<Offers> {
  const response = await fetch("offers.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`expected the coordinator's offers, came the status ${response.status}`);
  return schema.parse(await response.json());
}
