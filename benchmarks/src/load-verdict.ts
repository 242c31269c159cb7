import type { RoundCounts } from "./load-rounds.js";
import { slope } from "./statistics.js";

/** The coordinator's memory, once a minute, when everything that is not in use has been collected. */
export interface MemorySample {
  readonly minute: number;
  /** Of the whole process: the median of what was read each second of the minute before. */
  readonly residentMb: number;
  /** JavaScript's heap, and what it holds outside. */
  readonly inUseMb: number;
  /** Of this, what it holds outside. */
  readonly outsideMb: number;
  readonly pauseMs: number;
}

export interface MemoryCourse {
  readonly afterWarmUpMb: number;
  readonly atEndMb: number;
  readonly slopeMbAMinute: number;
  /** What the slope makes of the time after the warm-up, as a part of what there was at its beginning. */
  readonly growth: number;
  /** In use by JavaScript: after the warm-up, at the end, and its slope a minute. */
  readonly inUse: { readonly afterWarmUpMb: number; readonly atEndMb: number; readonly slopeMbAMinute: number };
  readonly eachMinuteMb: readonly number[];
  readonly inUseEachMinuteMb: readonly number[];
  readonly outsideEachMinuteMb: readonly number[];
  /** Of a collection that the benchmark asks for. */
  readonly longestPauseMs: number;
}

/** Share of the time after which memory is looked at. */
const WARM_UP = 1 / 3;
/** Caches that fill, and a crowd that is now a little larger, now a little smaller: this much is no growth yet. */
const MOST_GROWTH = 0.05;

export function memoryCourse(samples: readonly MemorySample[], minutes: number): MemoryCourse {
  const warm = samples.filter(({ minute }) => minute >= minutes * WARM_UP);
  const first = warm[0];
  const last = warm.at(-1);
  const hundredths = (value: number): number => Math.round(value * 100) / 100;
  const mbAMinute = slope(warm.map(({ minute, residentMb }) => [minute, residentMb]));
  const span = (last?.minute ?? 0) - (first?.minute ?? 0);
  return {
    afterWarmUpMb: first?.residentMb ?? 0,
    atEndMb: last?.residentMb ?? 0,
    slopeMbAMinute: hundredths(mbAMinute),
    growth: first === undefined ? 0 : Math.round(((mbAMinute * span) / first.residentMb) * 1_000) / 1_000,
    inUse: {
      afterWarmUpMb: first?.inUseMb ?? 0,
      atEndMb: last?.inUseMb ?? 0,
      slopeMbAMinute: hundredths(slope(warm.map(({ minute, inUseMb }) => [minute, inUseMb]))),
    },
    eachMinuteMb: samples.map(({ residentMb }) => residentMb),
    inUseEachMinuteMb: samples.map(({ inUseMb }) => inUseMb),
    outsideEachMinuteMb: samples.map(({ outsideMb }) => outsideMb),
    longestPauseMs: Math.max(0, ...samples.map(({ pauseMs }) => pauseMs)),
  };
}

/** What a run may not show: each a sentence; none where all is well. */
export function problemsOf(result: {
  readonly memory: MemoryCourse;
  readonly rounds: Readonly<Record<string, RoundCounts>>;
  readonly checkIn: { readonly count: number };
  readonly devices: { readonly asked: number; readonly seen: number };
}): string[] {
  const { memory, rounds, checkIn, devices } = result;
  const problems: string[] = [];
  if (memory.eachMinuteMb.length < 2) problems.push("the run was too short to tell of memory");
  if (memory.growth > MOST_GROWTH) {
    problems.push(
      `memory grows by ${memory.slopeMbAMinute} MB a minute, ${Math.round(memory.growth * 100)} % after the warm-up`,
    );
  }
  for (const [name, { closed, stuck, isPaused }] of Object.entries(rounds)) {
    if (stuck > 0) problems.push(`${stuck} rounds of ${name} were stuck`);
    if (closed === 0) problems.push(`no round of ${name} was closed`);
    if (isPaused) problems.push(`${name} was paused after abandoned rounds`);
  }
  if (checkIn.count === 0) problems.push("no check-in was answered");
  if (devices.seen < devices.asked) problems.push(`only ${devices.seen} of ${devices.asked} devices were answered`);
  return problems;
}
