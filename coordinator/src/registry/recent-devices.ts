import type { Device } from "./device.js";

/**
 * Devices that called lately; the store knows all. Two generations instead of an order of use, as for entries: when the younger is full, the
 * older one is forgotten.
 */
export class RecentDevices {
  readonly #generation: number;
  #young = new Map<string, Device>();
  #old = new Map<string, Device>();

  /** @param capacity devices at most, half a kilobyte each */
  constructor(capacity: number) {
    this.#generation = Math.max(Math.floor(capacity / 2), 1);
  }

  get(id: string): Device | undefined {
    const young = this.#young.get(id);
    if (young !== undefined) return young;
    const old = this.#old.get(id);
    // Who calls again outlives its generation.
    if (old !== undefined) this.set(old);
    return old;
  }

  /** Keeps a device, in the place of what was known of it. */
  set(device: Device): void {
    this.#old.delete(device.id);
    this.#young.set(device.id, device);
    if (this.#young.size < this.#generation) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  delete(id: string): void {
    this.#young.delete(id);
    this.#old.delete(id);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
