// Holds a participant up while its device is needed for something else.
import * as z from "zod/mini";
import { ClientError } from "../errors.js";
import type { DeviceStore } from "../store/device-store.js";
import type { Clock } from "./clock.js";
import {
  type ConditionsSource,
  defaultSchedulingLimits,
  type HoldReason,
  holdReason,
  type RecentActivity,
  type SchedulingLimits,
  stopReason,
} from "./conditions.js";

const DAY_MS = 86_400_000;

interface Activity {
  readonly startedMs: number;
  readonly trainingMs: number;
}

const activities: z.ZodMiniType<readonly Activity[]> = z.array(
  z.strictObject({ startedMs: z.number(), trainingMs: z.number() }),
);

export interface TrainingGateDependencies {
  readonly population: string;
  readonly conditions: ConditionsSource;
  /** Those that are left out are `defaultSchedulingLimits`. */
  readonly limits: Partial<SchedulingLimits>;
  readonly store: DeviceStore;
  readonly clock: Clock;
}

/** Knows what the device has done in a day, and when it may do more. */
export class TrainingGate {
  readonly #dependencies: TrainingGateDependencies & { readonly limits: SchedulingLimits };
  #activities: readonly Activity[] | undefined;

  constructor(dependencies: TrainingGateDependencies) {
    this.#dependencies = { ...dependencies, limits: { ...defaultSchedulingLimits, ...dependencies.limits } };
  }

  /**
   * Resolves when a round may begin.
   *
   * @param onHold told when it has to wait, and whenever the reason is another
   * @throws ClientError ABORTED
   */
  async opened(onHold: (reason: HoldReason) => void, signal: AbortSignal): Promise<void> {
    const { conditions, limits } = this.#dependencies;
    let told: HoldReason | undefined;
    for (;;) {
      const reason = holdReason(conditions.current(), limits, await this.#recent());
      if (reason === undefined) return;
      if (reason !== told) onHold(reason);
      told = reason;
      await this.#change(signal);
    }
  }

  /**
   * Does a round's training, and counts it.
   *
   * @param train gets a signal that is aborted when the device is needed
   * @throws ClientError HELD when it was, else what `train` throws
   */
  async during<T>(train: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { conditions, limits, clock } = this.#dependencies;
    const stopped = new AbortController();
    let reason: HoldReason | undefined;
    const look = (): void => {
      reason ??= stopReason(conditions.current(), limits);
      if (reason !== undefined) stopped.abort(reason);
    };
    const abort = (): void => stopped.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const unlisten = conditions.listen(look);
    const startedMs = clock.now();
    try {
      if (signal.aborted) abort();
      look();
      const trained = reason === undefined ? await train(stopped.signal) : undefined;
      if (reason === undefined && trained !== undefined) return trained;
      throw held(reason);
    } catch (cause) {
      throw reason === undefined ? cause : held(reason);
    } finally {
      unlisten();
      signal.removeEventListener("abort", abort);
      await this.#count({ startedMs, trainingMs: Math.max(clock.now() - startedMs, 0) });
    }
  }

  async #recent(): Promise<RecentActivity> {
    const since = this.#dependencies.clock.now() - DAY_MS;
    const recent = (await this.#load()).filter(({ startedMs }) => startedMs > since);
    return { rounds: recent.length, trainingMs: recent.reduce((sum, { trainingMs }) => sum + trainingMs, 0) };
  }

  async #count(activity: Activity): Promise<void> {
    const { store, clock } = this.#dependencies;
    const since = clock.now() - DAY_MS;
    this.#activities = [...(await this.#load()).filter(({ startedMs }) => startedMs > since), activity];
    await store.put(this.#key, new TextEncoder().encode(JSON.stringify(this.#activities)));
  }

  async #load(): Promise<readonly Activity[]> {
    if (this.#activities !== undefined) return this.#activities;
    const bytes = await this.#dependencies.store.get(this.#key);
    // What was damaged is a day's count at most: it begins anew.
    const parsed = activities.safeParse(bytes === undefined ? [] : json(bytes));
    this.#activities = parsed.success ? parsed.data : [];
    return this.#activities;
  }

  get #key(): string {
    return `${this.#dependencies.population}/activity`;
  }

  /** Resolves when conditions have changed, or the oldest round of the day may have passed out of it. */
  async #change(signal: AbortSignal): Promise<void> {
    const { conditions, clock } = this.#dependencies;
    const [oldest] = await this.#load();
    const changed = new AbortController();
    const unlisten = conditions.listen(() => changed.abort());
    const ended = AbortSignal.any([signal, changed.signal]);
    const waitMs = oldest === undefined ? DAY_MS : Math.max(oldest.startedMs + DAY_MS - clock.now(), 1);
    try {
      await clock.wait(waitMs, ended);
    } catch (cause) {
      if (!changed.signal.aborted || signal.aborted) throw cause;
    } finally {
      unlisten();
    }
  }
}

function held(reason: HoldReason | undefined): ClientError {
  return new ClientError("HELD", `the training was given up: ${reason ?? "the device is needed"}`);
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
