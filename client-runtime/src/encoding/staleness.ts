import type { StalenessPlan } from "@fedloop/consent";

/**
 * What an update trained on a model counts in a round (Nguyen et al. 2022, section 3: s(τ) = (1 + τ)^(−a)).
 *
 * @param model SHA-256, base64url
 * @returns the weight, in (0, 1]; undefined where the plan takes no updates of that model
 */
export function stalenessWeight({ exponent, models }: StalenessPlan, model: string): number | undefined {
  const staleness = models.indexOf(model);
  return staleness < 0 ? undefined : (1 + staleness) ** -Number(exponent);
}
