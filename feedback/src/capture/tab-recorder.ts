// Capture in each of several tabs: one has the log open, the others leave their events in a write-ahead list for it.
import { type Clock, systemClock, type WriteAhead } from "@fedloop/client-runtime";
import { FeedbackError } from "../errors.js";
import type { EventDefinitions, EventFields, EventRegistry, Scalar } from "../registry/registry.js";
import { type AheadItem, encodeItems } from "./ahead-items.js";
import type { Capture, CaptureOutcome } from "./capture.js";
import type { PurposeGate, PurposeState } from "./gate.js";

/** What a recorder is made with. */
export interface TabRecorderOptions<Events extends EventDefinitions<string>> {
  readonly registry: EventRegistry<Events>;
  readonly gate: PurposeGate;
  /** The same list as the capture's. */
  readonly ahead: WriteAhead;
  readonly clock?: Clock;
  /** Told of failures that no call can report: the event is then lost. */
  readonly onError?: (error: FeedbackError) => void;
}

/**
 * Records in a tab, whether or not it is the one with the log. Events of all tabs are in the log once, in the order in which they
 * reached the list.
 */
export class TabRecorder<Events extends EventDefinitions<string> = EventDefinitions<string>> {
  readonly registry: EventRegistry<Events>;
  readonly #options: TabRecorderOptions<Events>;
  readonly #clock: Clock;
  /** No other tab, and no other visit, has this name. */
  readonly #tab = globalThis.crypto.randomUUID();
  #recorded = 0;
  #capture: Capture<Events> | undefined;

  constructor(options: TabRecorderOptions<Events>) {
    this.registry = options.registry;
    this.#options = options;
    this.#clock = options.clock ?? systemClock();
  }

  /**
   * From now on this tab has the log open: what it records goes there directly.
   *
   * @returns what ends it, to be called before the capture is closed
   */
  attach(capture: Capture<Events>): () => void {
    this.#capture = capture;
    return () => {
      if (this.#capture === capture) this.#capture = undefined;
    };
  }

  /**
   * As {@link Capture.record}; where another tab has the log, the event is on its way there when the call returns.
   *
   * @throws FeedbackError BAD_EVENT
   */
  record<Type extends keyof Events & string>(type: Type, fields: EventFields<Events[Type]>): CaptureOutcome {
    return this.recordUntyped(type, fields);
  }

  /** {@link record} for events whose type is known at run time only. */
  recordUntyped(type: string, fields: { readonly [name: string]: Scalar | undefined }): CaptureOutcome {
    if (this.#capture !== undefined) return this.#capture.recordUntyped(type, fields);
    const { ahead, gate, onError } = this.#options;
    const atMs = this.#clock.now();
    const items: AheadItem[] = [];
    const refused: Record<string, Exclude<PurposeState, "allowed">> = {};
    for (const { purpose, fields: own } of this.registry.divide(type, fields)) {
      const state = gate.state(purpose);
      if (state !== "allowed") refused[purpose] = state;
      else {
        this.#recorded += 1;
        items.push({ origin: `${this.#tab}.${this.#recorded}`, purpose, atMs, type, fields: own });
      }
    }
    if (items.length > 0) {
      ahead.append(encodeItems(items)).catch((cause: unknown) => {
        onError?.(
          new FeedbackError("STORE_FAILED", "an event could not be left for the tab that has the log", { cause }),
        );
      });
    }
    return { captured: items.map(({ purpose }) => purpose), refused };
  }
}
