/** When a device is to come again, milliseconds from now: at a time of its own between the two. */
export interface ReturnWindow {
  readonly afterMs: number;
  readonly beforeMs: number;
}

/** Devices with nothing to do come back in this window; those that listen hear of a round at once. */
const IDLE: ReturnWindow = { afterMs: 10_000, beforeMs: 20_000 };
/** Of more devices than that, each gets a later window: a check-in costs a coordinator about half a millisecond. */
const RETURNS_A_SECOND = 200;
const LONGEST_MS = 600_000;

/** A crowd of this size may come as fast as it likes, about five in a millisecond. */
const AT_ONCE = 100;
const AT_ONCE_A_MS = 5;
/** For each further device, milliseconds: first to tell it, then to take it, which leaves half of a coordinator's time to others. */
const TELLING_MS = 0.5;
const EACH_MS = 2;
/** Part of a selection in which all are to have come. */
const PART_OF_SELECTION = 0.5;

/**
 * Pace steering: spreads the calls of a crowd over time, by giving each device a window of its own (Bonawitz et al. 2019,
 * "Towards Federated Learning at Scale", section 2.3).
 */
export class ReturnWindows {
  readonly #clock: { now(): number };
  /** From when on there is room for one more return. */
  #freeMs = 0;
  #selecting = 0;

  constructor(clock: { now(): number }) {
    this.#clock = clock;
  }

  /** For a device with nothing to do: so that no more come back in a second than the coordinator has time for. */
  idle(): ReturnWindow {
    const now = this.#clock.now();
    const fromMs = Math.min(Math.max(this.#freeMs, now + IDLE.afterMs), now + LONGEST_MS);
    this.#freeMs = fromMs + 1_000 / RETURNS_A_SECOND;
    const afterMs = Math.round(fromMs - now);
    return { afterMs, beforeMs: afterMs + IDLE.beforeMs - IDLE.afterMs };
  }

  /**
   * For a device that is told of a round that selects: soon, but spread out, so that a crowd does not arrive in one instant, nor
   * while the others are still being told.
   *
   * @param round whose beginning calls all back that listen: the windows they were given before are void
   * @param crowd devices that may come
   * @param selectionMs how long the round selects
   */
  arrival(round: number, crowd: number, selectionMs: number): ReturnWindow {
    if (round !== this.#selecting) this.#freeMs = 0;
    this.#selecting = round;
    const further = Math.max(crowd - AT_ONCE, 0);
    const tellingMs = further * TELLING_MS;
    const neededMs = tellingMs + Math.min(crowd, AT_ONCE) / AT_ONCE_A_MS + further * EACH_MS;
    const squeezed = Math.min((selectionMs * PART_OF_SELECTION) / neededMs, 1);
    return { afterMs: Math.floor(tellingMs * squeezed), beforeMs: Math.ceil(neededMs * squeezed) };
  }
}
