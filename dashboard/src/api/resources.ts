// What the coordinator's API answers, as far as the dashboard shows it: docs/openapi.json has all of it.
import * as z from "zod/mini";
import {
  type Answer,
  answer,
  type DriftReport,
  driftReport,
  type Experiment,
  experiment,
} from "./analytics-resources.js";

const text = z.string();
const number = z.number();
const metrics = z.nullable(z.record(text, number));

export interface Round {
  readonly population: string;
  readonly round: number;
  readonly kind: string;
  readonly state: string;
  readonly stateSinceMs: number;
  readonly deadlineMs: number | null;
  readonly reason: string | null;
  /** Where its release stands in the log, once it is closed. */
  readonly journal: number | null;
  readonly participants: {
    readonly joined: number;
    readonly submitted: number;
    readonly left: number;
    readonly dropped: number;
  };
  readonly live: { readonly expected: number; readonly answered: number; readonly minimum: number } | null;
  readonly metrics: Readonly<Record<string, number>> | null;
}

const round: z.ZodMiniType<Round> = z.object({
  population: text,
  round: number,
  kind: text,
  state: text,
  stateSinceMs: number,
  deadlineMs: z.nullable(number),
  reason: z.nullable(text),
  journal: z.nullable(number),
  participants: z.object({ joined: number, submitted: number, left: number, dropped: number }),
  live: z.nullable(z.object({ expected: number, answered: number, minimum: number })),
  metrics,
});

export interface Budget {
  /** ε so far: a decimal, or "unbounded". */
  readonly spent: string;
  readonly reserved: string | null;
  readonly cap: number | null;
  readonly delta: number | null;
  readonly unit: string;
}

export interface Population {
  readonly population: string;
  readonly controller: string;
  readonly purpose: string;
  readonly state: string;
  readonly finished: string | null;
  /** Why no round begins; null while it is not paused. */
  readonly pause: { readonly reason: string } | null;
  readonly policy: number;
  readonly devices: number;
  readonly rounds: { readonly planned: number; readonly byState: Readonly<Record<string, number>> };
  readonly current: Round | null;
  readonly metrics: Readonly<Record<string, number>> | null;
  readonly budget: Budget;
}

const population: z.ZodMiniType<Population> = z.object({
  population: text,
  controller: text,
  purpose: text,
  state: text,
  finished: z.nullable(text),
  pause: z.nullable(z.object({ reason: text })),
  policy: number,
  devices: number,
  rounds: z.object({ planned: number, byState: z.record(text, number) }),
  current: z.nullable(round),
  metrics,
  budget: z.object({
    spent: text,
    reserved: z.nullable(text),
    cap: z.nullable(number),
    delta: z.nullable(number),
    unit: text,
  }),
});

export interface Model {
  readonly population: string;
  readonly round: number;
  readonly sha256: string;
  /** How far it has come: candidate, canary, live, or rolled back. */
  readonly stage: string;
  readonly sharePercent: number | null;
  readonly sinceMs: number;
  readonly bytes: number | null;
}

const model: z.ZodMiniType<Model> = z.object({
  population: text,
  round: number,
  sha256: text,
  stage: text,
  sharePercent: z.nullable(number),
  sinceMs: number,
  bytes: z.nullable(number),
});

export interface Ledger {
  readonly origin: string;
  readonly verifierKey: string;
  readonly size: number;
  readonly root: string;
  readonly published: { readonly size: number };
  readonly quorum: number;
  readonly witnesses: readonly { readonly name: string; readonly cosignedMs: number | null }[];
}

const ledger: z.ZodMiniType<Ledger> = z.object({
  origin: text,
  verifierKey: text,
  size: number,
  root: text,
  published: z.object({ size: number }),
  quorum: number,
  witnesses: z.array(z.object({ name: text, cosignedMs: z.nullable(number) })),
});

export interface Alert {
  readonly code: string;
  readonly severity: string;
  readonly population: string | null;
  readonly message: string;
}

const alert: z.ZodMiniType<Alert> = z.object({
  code: text,
  severity: text,
  population: z.nullable(text),
  message: text,
});

function listOf<Item>(item: z.ZodMiniType<Item>): z.ZodMiniType<{ readonly items: readonly Item[] }> {
  return z.object({ items: z.array(item) });
}

/** What each address of the API gives. */
export const resources: {
  readonly populations: z.ZodMiniType<{ readonly items: readonly Population[] }>;
  readonly rounds: z.ZodMiniType<{ readonly items: readonly Round[] }>;
  readonly models: z.ZodMiniType<{ readonly items: readonly Model[] }>;
  readonly alerts: z.ZodMiniType<{ readonly items: readonly Alert[] }>;
  readonly answers: z.ZodMiniType<{ readonly items: readonly Answer[] }>;
  readonly experiments: z.ZodMiniType<{ readonly items: readonly Experiment[] }>;
  readonly drift: z.ZodMiniType<{ readonly items: readonly DriftReport[] }>;
  readonly ledger: z.ZodMiniType<Ledger>;
} = {
  populations: listOf(population),
  rounds: listOf(round),
  models: listOf(model),
  alerts: listOf(alert),
  answers: listOf(answer),
  experiments: listOf(experiment),
  drift: listOf(driftReport),
  ledger,
};
