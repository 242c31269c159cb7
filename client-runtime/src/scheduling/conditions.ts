// When a device may train: what the platform tells of it against the limits that the app sets. Pure.

/** What is known of the device. What the platform does not tell is left out, and holds nothing up. */
export interface DeviceConditions {
  /** Whether someone is using the device, or the app, just now. */
  readonly inUse?: boolean;
  readonly onBattery?: boolean;
  /** 0 empty to 1 full. */
  readonly batteryLevel?: number;
  /** The person has asked the device to save energy. */
  readonly batterySaver?: boolean;
  /** The network is paid by volume, or the person has asked to save data. */
  readonly metered?: boolean;
  readonly online?: boolean;
}

/** Where conditions come from. */
export interface ConditionsSource {
  current(): DeviceConditions;
  /** Tells of every change until the returned function is called. */
  listen(listener: () => void): () => void;
}

/** What the app allows. Defaults are on the considerate side. */
export interface SchedulingLimits {
  /** Whether a round may begin while someone uses the device. Default: no. */
  readonly whileInUse: boolean;
  /** Whether to train on battery, and above which level. Default: above half. */
  readonly onBattery: boolean;
  readonly minimumBatteryLevel: number;
  /** Whether to train, and to transfer models, on a metered network. Default: no. */
  readonly onMetered: boolean;
  /** Rounds and milliseconds of training in any 24 hours. Default: no limit. */
  readonly roundsPerDay: number;
  readonly trainingMsPerDay: number;
}

export const defaultSchedulingLimits: SchedulingLimits = {
  whileInUse: false,
  onBattery: true,
  minimumBatteryLevel: 0.5,
  onMetered: false,
  roundsPerDay: Number.POSITIVE_INFINITY,
  trainingMsPerDay: Number.POSITIVE_INFINITY,
};

/** Why a device does not train just now. */
export type HoldReason = "in-use" | "battery" | "metered" | "offline" | "daily-limit";

/** What a device has done in the last 24 hours. */
export interface RecentActivity {
  readonly rounds: number;
  readonly trainingMs: number;
}

/** Why a training under way must stop; undefined while it may go on. Who comes back to the device does not stop it. */
export function stopReason(conditions: DeviceConditions, limits: SchedulingLimits): HoldReason | undefined {
  const { onBattery = false, batteryLevel = 1, batterySaver = false, metered = false, online = true } = conditions;
  if (!online) return "offline";
  if (batterySaver) return "battery";
  if (onBattery && (!limits.onBattery || batteryLevel <= limits.minimumBatteryLevel)) return "battery";
  return metered && !limits.onMetered ? "metered" : undefined;
}

/** Why no round may begin; undefined when one may. */
export function holdReason(
  conditions: DeviceConditions,
  limits: SchedulingLimits,
  { rounds, trainingMs }: RecentActivity,
): HoldReason | undefined {
  const stop = stopReason(conditions, limits);
  if (stop !== undefined) return stop;
  if (rounds >= limits.roundsPerDay || trainingMs >= limits.trainingMsPerDay) return "daily-limit";
  return conditions.inUse === true && !limits.whileInUse ? "in-use" : undefined;
}

/** Conditions that the app sets by hand, or that come from elsewhere. */
export class SettableConditions implements ConditionsSource {
  readonly #listeners = new Set<() => void>();
  #conditions: DeviceConditions;

  constructor(conditions: DeviceConditions = {}) {
    this.#conditions = conditions;
  }

  current(): DeviceConditions {
    return this.#conditions;
  }

  set(conditions: DeviceConditions): void {
    this.#conditions = conditions;
    for (const listener of [...this.#listeners]) listener();
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
