import type { RoundCounts } from "./load-rounds.js";
import { leastIn, slope } from "./statistics.js";

/** Memory at a moment of the run. */
export interface MemorySample {
  readonly minute: number;
  readonly mb: number;
}

export interface MemoryCourse {
  readonly afterWarmUpMb: number;
  readonly atEndMb: number;
  readonly peakMb: number;
  readonly slopeMbAMinute: number;
  /** What the slope makes of the time after the warm-up, as a part of what there was at its beginning. */
  readonly growth: number;
  /** Of each minute the least. */
  readonly eachMinuteMb: readonly number[];
}

/** Share of the time after which memory is looked at. */
const WARM_UP = 1 / 3;
/** The heap's least of a minute moves by a few per cent with the times of its collections: this much is no growth yet. */
const MOST_GROWTH = 0.05;

/** How memory went. Of each minute the least counts, since what was allocated and is not yet collected comes and goes. */
export function memoryCourse(samples: readonly MemorySample[], minutes: number): MemoryCourse {
  const least = (some: readonly MemorySample[]): MemorySample[] =>
    leastIn(
      some,
      ({ minute }) => Math.floor(minute),
      ({ mb }) => mb,
    );
  const warm = least(samples.filter(({ minute }) => minute >= minutes * WARM_UP));
  const first = warm[0];
  const last = warm.at(-1);
  const mbAMinute = slope(warm.map(({ minute, mb }) => [minute, mb]));
  const span = (last?.minute ?? 0) - (first?.minute ?? 0);
  return {
    afterWarmUpMb: first?.mb ?? 0,
    atEndMb: last?.mb ?? 0,
    peakMb: Math.max(0, ...samples.map(({ mb }) => mb)),
    slopeMbAMinute: Math.round(mbAMinute * 100) / 100,
    growth: first === undefined ? 0 : Math.round(((mbAMinute * span) / first.mb) * 1_000) / 1_000,
    eachMinuteMb: least(samples).map(({ mb }) => mb),
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
