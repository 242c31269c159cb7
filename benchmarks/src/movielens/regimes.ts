import {
  type Interactions,
  implicitFactorisationTrainer,
  implicitUpdateLength,
  secondMomentsTrainer,
  type Trainer,
} from "@fedloop/client-runtime";
import { ITEMS } from "./watchers.js";

/** Which ready-made recommender trains, and how. */
export interface Regime {
  readonly trainer: "implicit-factorisation" | "second-moments";
  readonly strategy: "factor-newton" | "subspace-iteration";
  readonly factors: number;
  readonly rounds: number;
  readonly clipNorm: number;
  /** Of trainer and strategy alike. */
  readonly settings: Readonly<Record<string, number | string>>;
}

/** Longer than any update. */
const UNCLIPPED = 1e9;

const FACTORISATION = { trainer: "implicit-factorisation", strategy: "factor-newton" } as const;

const MOMENTS = { trainer: "second-moments", strategy: "subspace-iteration", clipNorm: 1, settings: {} } as const;

/** Without noise and in a third of the time, for a test: less than the best, and still above the aim of .70 and .42. */
export const SMALL: Regime = {
  ...FACTORISATION,
  factors: 32,
  rounds: 5,
  clipNorm: UNCLIPPED,
  settings: { unobservedWeight: 0.2, ridge: 0.005 },
};

/** Without noise; what was found best of a few tries. */
export const PLAIN: Regime = { ...SMALL, factors: 48, rounds: 7 };

/** With noise: few factors, few releases, every user's terms of a like size. */
export const NOISED: Regime = {
  ...FACTORISATION,
  factors: 4,
  rounds: 3,
  clipNorm: 1,
  settings: {
    unobservedWeight: 0.2,
    ridge: 0.02,
    weighting: "root",
    countScale: 0.5,
    gramScale: 0.3,
    minimumCount: 1,
  },
};

/** Second moments without noise: what is lost by them alone. */
export const PLAIN_MOMENTS: Regime = { ...MOMENTS, factors: 48, rounds: 4 };

/** Under a budget, the same at every ε. */
export const NOISED_MOMENTS: Regime = { ...MOMENTS, factors: 16, rounds: 4 };

export function trainerOf({ trainer }: Regime, interactions: Interactions): Trainer {
  return trainer === "second-moments" ? secondMomentsTrainer(interactions) : implicitFactorisationTrainer(interactions);
}

export function updateLengthOf({ trainer, factors }: Regime): number {
  return trainer === "second-moments" ? ITEMS * factors : implicitUpdateLength(ITEMS, factors);
}
