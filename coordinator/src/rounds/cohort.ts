import type { Device } from "../registry/device.js";

/** A device's part in a round. */
export interface Member {
  readonly device: Device;
  /** Index of the consent entry that was relied on. */
  readonly consentIndex: number;
  /** Ed25519 by the device over the join message, 64 bytes. */
  readonly joinSignature: Uint8Array;
  readonly joinedMs: number;
  state: "joined" | "submitted" | "left";
  /** SHA-256 (base64url) of the update that was counted, so that a repeated submission can be told from another. */
  submitted: string | null;
  /** SHA-256 of the mask key that the device advertised, 32 bytes; null without secure aggregation. */
  maskKey: Uint8Array | null;
}

/** Who takes part in one round. */
export class Cohort {
  readonly #members = new Map<string, Member>();

  get size(): number {
    return this.#members.size;
  }

  get(deviceId: string): Member | undefined {
    return this.#members.get(deviceId);
  }

  /** Whether a device takes part: who left a round that had begun to collect does not come back into it. */
  hasPlace(deviceId: string): boolean {
    const member = this.#members.get(deviceId);
    return member !== undefined && member.state !== "left";
  }

  add(member: Member): void {
    this.#members.set(member.device.id, member);
  }

  remove(deviceId: string): void {
    this.#members.delete(deviceId);
  }

  all(): IterableIterator<Member> {
    return this.#members.values();
  }

  /** Those whose update is in the sum, sorted by subject as the cohort blob demands. */
  submitted(): Member[] {
    return [...this.#members.values()]
      .filter((member) => member.state === "submitted")
      .sort((a, b) => (a.device.subject < b.device.subject ? -1 : 1));
  }
}
