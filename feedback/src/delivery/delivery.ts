// Messages that are due, and those that wait. No server is asked.
import { type Clock, type DeviceStore, systemClock } from "@fedloop/client-runtime";
import * as z from "zod/mini";
import { FeedbackError } from "../errors.js";
import { type DeliveryLimit, decide, type Verdict } from "./limits.js";
import {
  afterDelivery,
  type DeliveryEvent,
  type DeliveryState,
  deliveryStateSchema,
  freshDelivery,
  MESSAGE_CLASSES,
  type MessageClass,
} from "./state.js";

/** A message that wants to be shown. */
export interface Candidate {
  /** What the app shows it by; a waiting candidate of the same id is replaced. */
  readonly id: string;
  readonly class: MessageClass;
}

/** What a delivery works with. */
export interface DeliveryOptions {
  readonly store: DeviceStore;
  readonly limits: readonly DeliveryLimit[];
  readonly clock?: Clock;
  /** Of the person's own time at a moment, east of Greenwich; the platform's unless given. */
  readonly utcOffsetMinutes?: (atMs: number) => number;
  /** Candidates wait at most so long; 24 hours unless given. */
  readonly longestWaitMs?: number;
  /** Digest candidates are held until so many are there, or one has waited half of the longest wait; 3 unless given. */
  readonly digestSize?: number;
}

interface Waiting extends Candidate {
  readonly sinceMs: number;
}

const STATE_KEY = "delivery/state";
const LONGEST_WAIT_MS = 86_400_000;
const DIGEST_SIZE = 3;
const keptSchema = z.strictObject({
  state: deliveryStateSchema,
  waiting: z.array(z.strictObject({ id: z.string(), class: z.enum(MESSAGE_CLASSES), sinceMs: z.number() })),
});

/** Offset of the platform's time zone at a moment, minutes east of Greenwich. */
export function platformUtcOffset(atMs: number): number {
  return -new Date(atMs).getTimezoneOffset();
}

/** The messages of one device. Opened with {@link Delivery.open}. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #clock: Clock;
  #state: DeliveryState;
  #waiting: readonly Waiting[];
  #written: Promise<void> = Promise.resolve();
  #isDue = false;

  private constructor(options: DeliveryOptions, state: DeliveryState, waiting: readonly Waiting[]) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock();
    this.#state = state;
    this.#waiting = waiting;
  }

  /** @throws FeedbackError LOG_CORRUPT where what was kept cannot be read: showing nothing is then the safe answer */
  static async open(options: DeliveryOptions): Promise<Delivery> {
    const bytes = await options.store.get(STATE_KEY);
    if (bytes === undefined) return new Delivery(options, freshDelivery, []);
    const parsed = z.safeParse(keptSchema, json(bytes));
    if (!parsed.success) throw new FeedbackError("LOG_CORRUPT", "expected the state of delivery, came something else");
    return new Delivery(options, parsed.data.state, parsed.data.waiting);
  }

  get state(): DeliveryState {
    return this.#state;
  }

  /** Ids of the messages that wait. */
  get waiting(): readonly string[] {
    return this.#waiting.map(({ id }) => id);
  }

  /** The person did something. */
  activity(): void {
    this.#apply({ type: "activity", atMs: this.#clock.now() });
  }

  /**
   * Asks for a message. One that is told to be shown counts as shown from now on; one that is told to wait is kept, and comes with
   * {@link due}.
   */
  offer(candidate: Candidate): Verdict {
    const nowMs = this.#clock.now();
    if (candidate.class === "digest" && !this.#state.optedOut) {
      this.#wait(candidate, nowMs);
      return { type: "wait", untilMs: this.nextDueMs(), limit: "digest" };
    }
    const verdict = this.#verdict(candidate.class, nowMs);
    if (verdict.type === "show") this.#show(candidate.class, nowMs);
    else if (verdict.type === "wait") this.#wait(candidate, nowMs);
    return verdict;
  }

  /** Lets a message wait although it may be shown, since nobody is there to see it; it comes with {@link due}. */
  hold(candidate: Candidate): void {
    if (!this.#state.optedOut) this.#wait(candidate, this.#clock.now());
  }

  /**
   * The waiting messages that are to be shown now, as one: a single one, or a digest of several. Counts as shown once. Empty where
   * nothing is due; those that have waited too long are given up.
   */
  due(): readonly string[] {
    const nowMs = this.#clock.now();
    const { longestWaitMs = LONGEST_WAIT_MS, digestSize = DIGEST_SIZE } = this.#options;
    const fresh = this.#waiting.filter(({ sinceMs }) => nowMs - sinceMs < longestWaitMs);
    if (fresh.length < this.#waiting.length) this.#keep(fresh);
    const urgent = fresh.filter((each) => each.class !== "digest");
    const isRipe = fresh.length >= digestSize || fresh.some(({ sinceMs }) => nowMs - sinceMs >= longestWaitMs / 2);
    const [first] = urgent.length > 0 || isRipe ? fresh : [];
    if (first === undefined) return [];
    const asClass = urgent.some((each) => each.class === "critical") ? "critical" : "normal";
    if (this.#verdict(asClass, nowMs).type !== "show") return [];
    const together = asClass === "critical" ? urgent.filter((each) => each.class === "critical") : fresh;
    this.#show(asClass, nowMs);
    this.#keep(fresh.filter((each) => !together.includes(each)));
    return together.map(({ id }) => id);
  }

  /** When to ask {@link due} again, milliseconds since the epoch; infinite when nothing waits. */
  nextDueMs(): number {
    const nowMs = this.#clock.now();
    const { longestWaitMs = LONGEST_WAIT_MS } = this.#options;
    const times = this.#waiting.map((each) => {
      const ripeMs = each.class === "digest" ? each.sinceMs + longestWaitMs / 2 : nowMs;
      const verdict = this.#verdict(each.class, nowMs);
      const freeMs = verdict.type === "wait" ? verdict.untilMs : nowMs;
      return verdict.type === "suppress" ? Number.POSITIVE_INFINITY : Math.max(ripeMs, freeMs);
    });
    return Math.min(Number.POSITIVE_INFINITY, ...times);
  }

  opened(): void {
    this.#apply({ type: "opened", localHour: this.#localHour(this.#clock.now()) });
  }

  dismissed(): void {
    this.#apply({ type: "dismissed" });
  }

  /** No more messages on this device, of any class, for good. Holds when the call returns; on disk when the promise is done. */
  async optOut(): Promise<void> {
    this.#apply({ type: "opted-out" });
    this.#keep([]);
    await this.#written;
  }

  /** Done when all is on disk. @throws ClientError STORE_FAILED */
  flush(): Promise<void> {
    return this.#written;
  }

  #verdict(messageClass: MessageClass, nowMs: number): Verdict {
    return decide(messageClass, this.#state, this.#options.limits, { nowMs, utcOffsetMinutes: this.#offset(nowMs) });
  }

  #offset(atMs: number): number {
    return (this.#options.utcOffsetMinutes ?? platformUtcOffset)(atMs);
  }

  #localHour(atMs: number): number {
    return Math.floor((atMs / 60_000 + this.#offset(atMs)) / 60) % 24;
  }

  #show(messageClass: MessageClass, nowMs: number): void {
    this.#apply({ type: "shown", class: messageClass, atMs: nowMs, localHour: this.#localHour(nowMs) });
  }

  #wait(candidate: Candidate, nowMs: number): void {
    const others = this.#waiting.filter(({ id }) => id !== candidate.id);
    this.#keep([...others, { id: candidate.id, class: candidate.class, sinceMs: nowMs }]);
  }

  #apply(event: DeliveryEvent): void {
    this.#state = afterDelivery(this.#state, event);
    this.#write();
  }

  #keep(waiting: readonly Waiting[]): void {
    this.#waiting = waiting;
    this.#write();
  }

  #write(): void {
    // What comes while a write is on its way goes with the next one, all together: a crash is to find the newest state on disk.
    if (this.#isDue) return;
    this.#isDue = true;
    const written = this.#written
      .catch(() => {})
      .then(() => {
        this.#isDue = false;
        const kept = { state: this.#state, waiting: this.#waiting };
        return this.#options.store.put(STATE_KEY, new TextEncoder().encode(JSON.stringify(kept)));
      });
    // Whoever awaits `flush` hears of a failure; nobody else is to be surprised by it.
    written.catch(() => {});
    this.#written = written;
  }
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
