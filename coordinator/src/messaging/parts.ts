/** Messages that came in parts, put together again. */
import type { WorkKind, WorkMessage } from "./work-stream.js";

/** A part as it came, with what its headers say. */
export interface WorkPart {
  readonly group: string;
  readonly kind: WorkKind;
  readonly number: number;
  readonly from: string;
  readonly part: number;
  readonly parts: number;
  readonly bytes: Uint8Array;
}

interface Torn {
  readonly parts: Uint8Array[];
  bytes: number;
}

/** What one whole message can have: a vector of 2^28 coordinates at 32 bits, in parts of 512 KiB, and some more. */
const MOST_PARTS = 4_096;
/** Whoever can write to the message server could leave all messages torn: then the oldest are given up. */
const MOST_TORN_BYTES = 2 ** 31;
const MOST_TORN = 4_096;

/** Parts come in their order, those of several messages between one another. A message of which a part is missing is left out. */
export class Parts {
  readonly #torn = new Map<string, Torn>();
  readonly #mostBytes: number;
  #bytes = 0;

  constructor(mostBytes: number = MOST_TORN_BYTES) {
    this.#mostBytes = mostBytes;
  }

  /** Bytes of messages that are not whole. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** @returns the message that this part makes whole */
  take({ group, kind, number, from, part, parts, bytes }: WorkPart): WorkMessage | undefined {
    const isPlace = Number.isSafeInteger(number) && Number.isSafeInteger(part) && Number.isSafeInteger(parts);
    if (!isPlace || number < 0 || part < 0 || part >= parts || parts > MOST_PARTS) return undefined;
    const key = `${group} ${kind} ${number}`;
    if (part === 0) this.#giveUp(key);
    const torn = this.#torn.get(key) ?? { parts: [], bytes: 0 };
    if (torn.parts.length !== part) return undefined;
    torn.parts.push(bytes);
    torn.bytes += bytes.length;
    this.#bytes += bytes.length;
    this.#torn.set(key, torn);
    if (torn.parts.length === parts) {
      this.#giveUp(key);
      return { group, kind, number, from, parts: torn.parts };
    }
    for (const oldest of this.#torn.keys()) {
      if (this.#bytes <= this.#mostBytes && this.#torn.size <= MOST_TORN) break;
      this.#giveUp(oldest);
    }
    return undefined;
  }

  #giveUp(key: string): void {
    this.#bytes -= this.#torn.get(key)?.bytes ?? 0;
    this.#torn.delete(key);
  }
}
