// Features of a person's own log, computed where it lies. Only operations that IEEE 754 rounds exactly (no sine, no
// exponential): the same log gives the same bytes on every device.
import type { CapturedEvent } from "../capture/event-log.js";
import { FeedbackError } from "../errors.js";
import type { PublicTable } from "./public-table.js";

/** When and where the features are for. */
export interface FeatureMoment {
  /** Milliseconds since the epoch. Events after it do not count. */
  readonly nowMs: number;
  /** Of the person's own time, east of Greenwich: 60 for Zurich in winter. */
  readonly utcOffsetMinutes: number;
  /** Of hashed features. The same for all devices of a model, or their columns mean different things. */
  readonly seed: number;
}

/** Some columns of a feature vector. Apps add their own. */
export interface Feature {
  readonly names: readonly string[];
  /** As many finite numbers as names. @param events oldest first, none after the moment */
  values(events: readonly CapturedEvent[], moment: FeatureMoment): readonly number[];
}

/** Features with their names. */
export interface FeatureVector {
  readonly names: readonly string[];
  readonly values: Float64Array;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function ofType(events: readonly CapturedEvent[], type: string | undefined): readonly CapturedEvent[] {
  return type === undefined ? events : events.filter((event) => event.type === type);
}

/** How recent the last event is: 1 / (1 + days since), 0 where there is none. @param type any unless given */
export function recency(type?: string): Feature {
  return {
    names: [`recency:${type ?? "any"}`],
    values(events, { nowMs }) {
      const last = ofType(events, type).at(-1);
      return [last === undefined ? 0 : 1 / (1 + (nowMs - last.atMs) / DAY_MS)];
    },
  };
}

/** Events within the last days. @param type any unless given */
export function frequency(windowDays: number, type?: string): Feature {
  return {
    names: [`frequency:${type ?? "any"}:${windowDays}d`],
    values(events, { nowMs }) {
      const fromMs = nowMs - windowDays * DAY_MS;
      return [ofType(events, type).filter(({ atMs }) => atMs > fromMs).length];
    },
  };
}

/** Sessions, divided by pauses: how many, minutes of the last one, events in it, days since the one before. */
export function sessions(pauseMinutes: number = 30): Feature {
  return {
    names: ["sessions:count", "sessions:minutes", "sessions:events", "sessions:gapDays"],
    values(events) {
      let count = 0;
      let startMs = 0;
      let lastMs = Number.NEGATIVE_INFINITY;
      let inSession = 0;
      let gapMs = 0;
      for (const { atMs } of events) {
        if (atMs - lastMs > pauseMinutes * 60_000) {
          gapMs = count === 0 ? 0 : atMs - lastMs;
          count += 1;
          startMs = atMs;
          inSession = 0;
        }
        inSession += 1;
        lastMs = atMs;
      }
      return count === 0 ? [0, 0, 0, 0] : [count, (lastMs - startMs) / 60_000, inSession, gapMs / DAY_MS];
    },
  };
}

/** The part of the person's day, six of four hours, one of them 1; and whether it is Saturday or Sunday. */
export function timeOfDay(): Feature {
  return {
    names: [...["00", "04", "08", "12", "16", "20"].map((hour) => `timeOfDay:${hour}`), "timeOfDay:weekend"],
    values(_events, { nowMs, utcOffsetMinutes }) {
      const localMs = nowMs + utcOffsetMinutes * 60_000;
      const hour = Math.floor(localMs / HOUR_MS) % 24;
      // The epoch was a Thursday.
      const day = (Math.floor(localMs / DAY_MS) + 4) % 7;
      const parts = Array.from({ length: 6 }, (_, part) => (Math.floor(hour / 4) === part ? 1 : 0));
      return [...parts, day === 0 || day === 6 ? 1 : 0];
    },
  };
}

/** Mean of a number or of a truth (1 for true) over the events that have it; 0 where there is none. */
export function meanOf(type: string, field: string): Feature {
  return {
    names: [`mean:${type}:${field}`],
    values(events) {
      const numbers = ofType(events, type).flatMap(({ fields }) => {
        const value = fields[field];
        return typeof value === "boolean" ? [value ? 1 : 0] : typeof value === "number" ? [value] : [];
      });
      return [numbers.length === 0 ? 0 : numbers.reduce((total, value) => total + value, 0) / numbers.length];
    },
  };
}

/** FNV-1a over UTF-16 code units, from a seed. */
function hash(text: string, seed: number): number {
  let state = (0x811c9dc5 ^ seed) | 0;
  for (let at = 0; at < text.length; at++) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193);
  // Its low bits are weak: the finaliser of MurmurHash3.
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

/**
 * Values of a field counted in so many columns, by a seeded hash and with signs (Weinberger et al., Feature hashing for
 * large scale multitask learning, 2009): no list of values has to be known.
 */
export function hashed(type: string, field: string, columns: number): Feature {
  return {
    names: Array.from({ length: columns }, (_, column) => `hashed:${type}:${field}:${column}`),
    values(events, { seed }) {
      const counts = Array.from({ length: columns }, () => 0);
      for (const { fields } of ofType(events, type)) {
        const value = fields[field];
        if (value === undefined) continue;
        const bits = hash(String(value), seed);
        const column = (bits >>> 1) % columns;
        counts[column] = (counts[column] ?? 0) + ((bits & 1) === 0 ? 1 : -1);
      }
      return counts;
    },
  };
}

/**
 * Means of a public table's columns over the rows that the events name. The whole table is on the device: what is looked up
 * in it nobody sees.
 */
export function looked(type: string, field: string, table: PublicTable): Feature {
  return {
    names: table.columns.map((column) => `table:${table.name}:${column}`),
    values(events) {
      const rows = ofType(events, type).flatMap(({ fields }) => {
        const row = table.row(String(fields[field]));
        return row === undefined ? [] : [row];
      });
      return table.columns.map((_, at) =>
        rows.length === 0 ? 0 : rows.reduce((total, row) => total + (row[at] ?? 0), 0) / rows.length,
      );
    },
  };
}

/**
 * All features of a log at a moment.
 *
 * @param events of one purpose, in any order
 * @throws FeedbackError BAD_OPTION where two features have one name, or one gives something else than it named
 */
export function featureVector(
  features: readonly Feature[],
  events: readonly CapturedEvent[],
  moment: FeatureMoment,
): FeatureVector {
  const ordered = events
    .filter(({ atMs }) => atMs <= moment.nowMs)
    .toSorted((a, b) => a.atMs - b.atMs || a.sequence - b.sequence);
  const names = features.flatMap((feature) => feature.names);
  const [twice] = names.filter((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new FeedbackError("BAD_OPTION", `two features are called "${twice}"`);
  const values = features.flatMap((feature) => {
    const own = feature.values(ordered, moment);
    if (own.length === feature.names.length && own.every(Number.isFinite)) return own;
    throw new FeedbackError("BAD_OPTION", `expected ${feature.names.length} finite numbers of "${feature.names[0]}"`);
  });
  return { names, values: Float64Array.from(values) };
}
