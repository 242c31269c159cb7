/** What became of rounds, as a coordinator's events tell it. */
export interface RoundCounts {
  closed: number;
  abandoned: Record<string, number>;
  /** Rounds that did not move for too long. */
  stuck: number;
  /** Whether the population was paused because its rounds came to nothing. */
  isPaused: boolean;
  /** From plan to end. */
  longestSeconds: number;
  medianSeconds: number;
}

interface Open {
  readonly begunMs: number;
  state: string;
  movedMs: number;
  isTold: boolean;
}

interface Population {
  readonly seconds: number[];
  readonly abandoned: Record<string, number>;
  readonly open: Map<number, Open>;
  closed: number;
  stuck: number;
  isPaused: boolean;
}

/** Follows the rounds of all populations. */
export class RoundWatch {
  readonly #populations = new Map<string, Population>();
  readonly #stuckMs: number;
  readonly #nowMs: () => number;

  /** @param stuckMs a round that has not moved for so long is stuck */
  constructor(populations: readonly string[], stuckMs: number, nowMs: () => number = () => performance.now()) {
    this.#stuckMs = stuckMs;
    this.#nowMs = nowMs;
    for (const name of populations) {
      const none = { seconds: [], abandoned: {}, open: new Map<number, Open>() };
      this.#populations.set(name, { ...none, closed: 0, stuck: 0, isPaused: false });
    }
  }

  /** A round has entered a state. */
  see(name: string, round: number, state: string, reason: string | null): void {
    const population = this.#populations.get(name);
    if (population === undefined) return;
    const now = this.#nowMs();
    const open = population.open.get(round) ?? { begunMs: now, state, movedMs: now, isTold: false };
    if (state !== "closed" && state !== "abandoned") {
      population.open.set(round, { ...open, state, movedMs: now });
      return;
    }
    population.open.delete(round);
    population.seconds.push((now - open.begunMs) / 1_000);
    if (state === "closed") population.closed += 1;
    else population.abandoned[String(reason)] = (population.abandoned[String(reason)] ?? 0) + 1;
  }

  paused(name: string): void {
    const population = this.#populations.get(name);
    if (population !== undefined) population.isPaused = true;
  }

  /** Counts each round once that has not moved for too long. */
  look(tell: (line: string) => void): void {
    const now = this.#nowMs();
    for (const [name, population] of this.#populations) {
      for (const [round, open] of population.open) {
        if (open.isTold || now - open.movedMs < this.#stuckMs) continue;
        open.isTold = true;
        population.stuck += 1;
        tell(`round ${round} of ${name} is stuck in ${open.state}`);
      }
    }
  }

  /** So far; a round that is open counts for its age. */
  counts(): Record<string, RoundCounts> {
    const now = this.#nowMs();
    const all: Record<string, RoundCounts> = {};
    for (const [name, { seconds, closed, abandoned, stuck, isPaused, open }] of this.#populations) {
      const ages = [...open.values()].map(({ begunMs }) => (now - begunMs) / 1_000);
      const sorted = [...seconds].sort((a, b) => a - b);
      all[name] = {
        closed,
        abandoned: { ...abandoned },
        stuck,
        isPaused,
        longestSeconds: tenths(Math.max(0, ...seconds, ...ages)),
        medianSeconds: tenths(sorted[Math.floor(sorted.length / 2)] ?? 0),
      };
    }
    return all;
  }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
