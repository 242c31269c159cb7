import { type Entry, entryLeafHash, parseEpsilon } from "@fedloop/consent";
import type { PausedNotice } from "../rounds/round-driver.js";

/** What endpoints can be told of. */
export const WEBHOOK_EVENTS = [
  "round.closed",
  "model.released",
  "model.staged",
  "budget.threshold",
  "drift.detected",
  "population.paused",
  "test",
] as const;

export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** Something that endpoints are to be told, once. */
export interface WebhookMessage {
  /** The same whenever the same thing is told: receivers recognise repeats by it. */
  readonly id: string;
  readonly type: WebhookEvent;
  readonly timeMs: number;
  /** Public in the ledger, or about the coordinator: nothing about a person. */
  readonly data: Readonly<Record<string, string | number | null>>;
  /** What is told once only, as a key; null where the id says it all. */
  readonly fact: string | null;
}

/** Parts of the cap at which an operator is told. */
export const BUDGET_THRESHOLDS = [0.5, 0.8, 1] as const;

/**
 * What an entry of the ledger tells endpoints. The id is made of the entry's leaf hash, so that reading the log again tells
 * nothing twice.
 *
 * @param cap the population's ε when the entry was written; undefined where there is none
 */
export function messagesOf(index: number, entry: Entry, cap: string | undefined): WebhookMessage[] {
  const base = { timeMs: entry.ts, fact: null };
  const id = (suffix: string): string => `msg_${entryLeafHash(entry).slice(0, 32)}${suffix}`;
  switch (entry.type) {
    case "round.close": {
      const { population, round, outcome, reason, cohort, modelOut } = entry.body;
      const data = { population, round, outcome, reason, participants: cohort?.size ?? null, model: modelOut, index };
      return [{ ...base, id: id(""), type: "round.closed", data }];
    }
    case "model.release": {
      const { population, round, model } = entry.body;
      return [{ ...base, id: id(""), type: "model.released", data: { population, round, model, index } }];
    }
    case "model.stage": {
      const { population, round, model, stage, share } = entry.body;
      return [{ ...base, id: id(""), type: "model.staged", data: { population, round, model, stage, share, index } }];
    }
    case "budget.debit": {
      const { population, epsilon } = entry.body;
      if (cap === undefined || !Number.isFinite(parseEpsilon(cap))) return [];
      const reached = BUDGET_THRESHOLDS.filter((part) => parseEpsilon(epsilon) >= part * parseEpsilon(cap));
      return reached.map((part) => ({
        ...base,
        id: id(`_${part * 100}`),
        type: "budget.threshold",
        data: { population, spent: epsilon, cap, percent: part * 100, index },
        fact: `budget/${population}/${cap}/${part}`,
      }));
    }
    default:
      return [];
  }
}

/** That a population was paused because its rounds came to nothing; the same pause has the same id. */
export function pausedMessage(
  population: string,
  { reason, round, failures, lastReason }: PausedNotice,
  timeMs: number,
): WebhookMessage {
  const data = { population, reason, round, abandoned: failures, lastReason };
  return { id: `msg_paused_${population}_${round}`, type: "population.paused", timeMs, data, fact: null };
}

/** The body of a message, as Standard Webhooks has it. */
export function payloadOf({ type, timeMs, data }: WebhookMessage): string {
  return JSON.stringify({ type, timestamp: new Date(timeMs).toISOString(), data });
}
