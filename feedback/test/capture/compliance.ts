// What capture has to do over every device store. Nothing here needs Node: a browser runs the same cases.
import type { DeviceStore } from "@fedloop/client-runtime";
import * as z from "zod/mini";
import {
  Capture,
  type CapturedEvent,
  defineEvents,
  type EventRegistry,
  purposeGate,
  SettableConsent,
} from "../../src/index.js";
import { ManualClock } from "../manual-clock.js";

/** One behaviour. `run` throws when the capture does not have it. */
export interface CaptureCase {
  readonly name: string;
  readonly run: () => Promise<void>;
}

const DAY_MS = 86_400_000;

/** Two purposes; `view` lives for a day, `answer` for a month. */
export const registry: EventRegistry = defineEvents({
  purposes: ["mastery", "messages"],
  events: {
    answer: {
      purpose: ["mastery", "messages"],
      retentionDays: 30,
      fields: {
        n: { schema: z.number(), purpose: ["mastery", "messages"] },
        skill: { schema: z.optional(z.string()), purpose: "mastery" },
      },
    },
    view: { purpose: "messages", retentionDays: 1, fields: {} },
  },
});

function requireSame(came: unknown, expected: unknown): void {
  const shown = (value: unknown): string => JSON.stringify(value) ?? "undefined";
  if (shown(came) !== shown(expected)) throw new Error(`expected ${shown(expected)}, came ${shown(came)}`);
}

async function all(events: AsyncIterable<CapturedEvent>): Promise<CapturedEvent[]> {
  const list: CapturedEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

async function numbers(capture: Capture, purpose: string): Promise<unknown[]> {
  return (await all(capture.read(purpose))).map(({ type, fields }) => fields.n ?? type);
}

/**
 * The suite.
 *
 * @param open a store: the same contents each time for one `place`, where the store outlives its closing
 * @param isDurable whether what was put is there after `close` and `open`
 */
export function captureCases(open: (place: string) => Promise<DeviceStore>, isDurable: boolean): CaptureCase[] {
  const opened = async (
    place: string,
    options: { readonly capacity?: number; readonly clock?: ManualClock; readonly consent?: SettableConsent } = {},
  ) => {
    const { clock = new ManualClock(), consent = new SettableConsent(registry.purposes), capacity } = options;
    const store = await open(place);
    const gate = purposeGate(consent, { globalPrivacyControl: () => false });
    const given = capacity === undefined ? {} : { capacity };
    const capture = await Capture.open({ registry, store, gate, clock, ...given });
    return { capture, store, clock, consent };
  };
  const cases: CaptureCase[] = [
    {
      name: "gives each purpose its own fields, written or not, in order",
      async run() {
        const { capture, store, clock } = await opened("own-fields");
        requireSame(capture.record("answer", { n: 1, skill: "a" }), { captured: ["mastery", "messages"], refused: {} });
        await capture.flush();
        clock.advance(10);
        capture.record("view", {});
        capture.record("answer", { n: 2 });
        const [first, second] = await all(capture.read("mastery"));
        requireSame(first, { sequence: 0, atMs: clock.now() - 10, type: "answer", fields: { n: 1, skill: "a" } });
        requireSame(second?.fields, { n: 2 });
        requireSame(await numbers(capture, "messages"), [1, "view", 2]);
        requireSame((await all(capture.read("messages")))[0]?.fields, { n: 1 });
        requireSame((await all(capture.read("messages", { types: ["view"] }))).length, 1);
        requireSame((await all(capture.read("messages", { sinceMs: clock.now() }))).length, 2);
        await capture.close();
        await store.close();
      },
    },
    {
      name: "a batch is written when its time has come, without a call",
      async run() {
        const { capture, store, clock } = await opened("timed");
        capture.record("answer", { n: 1 });
        requireSame(capture.count("mastery").pending, 1);
        clock.advance(500);
        while (capture.count("mastery").pending > 0) await new Promise((resolve) => setTimeout(resolve, 0));
        requireSame((await store.keys("events/mastery/")).length, 1);
        await capture.close();
        await store.close();
      },
    },
    {
      name: "small batches fill one segment, large ones make several, and none is lost while it is read",
      async run() {
        const { capture, store } = await opened("segments");
        for (let batch = 0; batch < 4; batch++) {
          capture.record("answer", { n: batch });
          await capture.flush();
        }
        requireSame((await store.keys("events/mastery/")).length, 1);
        for (let n = 4; n < 9_000; n++) capture.record("answer", { n });
        const reading = numbers(capture, "mastery");
        for (let n = 9_000; n < 9_010; n++) capture.record("answer", { n });
        await capture.flush();
        const read = await reading;
        requireSame(
          read.slice(0, 9_000),
          Array.from({ length: 9_000 }, (_, n) => n),
        );
        requireSame((await numbers(capture, "mastery")).length, 9_010);
        await capture.close();
        await store.close();
      },
    },
    {
      name: "the ring keeps the newest and says how many went",
      async run() {
        const { capture, store } = await opened("ring", { capacity: 1_500 });
        for (let n = 0; n < 5_000; n++) {
          capture.record("answer", { n });
          if (n % 1_100 === 0) await capture.flush();
        }
        await capture.flush();
        const kept = await numbers(capture, "mastery");
        const { events, dropped } = capture.count("mastery");
        requireSame(kept.length, events);
        requireSame(events + dropped, 5_000);
        requireSame(kept.length >= 1_500 && kept.length < 1_500 + 1_100 + 1_024, true);
        requireSame(
          kept,
          Array.from({ length: kept.length }, (_, i) => dropped + i),
        );
        await capture.close();
        await store.close();
      },
    },
    {
      name: "an event is gone when its time is over, others of its segment stay",
      async run() {
        const { capture, store, clock } = await opened("retention");
        capture.record("view", {});
        capture.record("answer", { n: 1 });
        await capture.flush();
        clock.advance(DAY_MS - 1);
        requireSame(await numbers(capture, "messages"), ["view", 1]);
        clock.advance(1);
        requireSame(await numbers(capture, "messages"), [1]);
        await capture.flush();
        requireSame(capture.count("messages").events, 1);
        capture.record("answer", { n: 2 });
        requireSame(
          (await all(capture.read("messages"))).map(({ sequence }) => sequence),
          [1, 2],
        );
        clock.advance(30 * DAY_MS);
        await capture.flush();
        requireSame(await store.keys("events/"), []);
        await capture.close();
        await store.close();
      },
    },
    {
      name: "a withdrawal deletes what was captured for that purpose, and nothing else",
      async run() {
        const { capture, store, consent } = await opened("withdrawal");
        for (let n = 0; n < 3_000; n++) capture.record("answer", { n });
        await capture.flush();
        capture.record("answer", { n: 3_000 });
        const writing = capture.flush();
        consent.set("mastery", "refused");
        requireSame(await numbers(capture, "mastery"), []);
        await capture.deleted();
        await writing;
        requireSame(await store.keys("events/mastery/"), []);
        requireSame((await numbers(capture, "messages")).length, 3_001);
        requireSame(capture.record("answer", { n: 0 }), { captured: ["messages"], refused: { mastery: "refused" } });
        await capture.flush();
        requireSame(await store.keys("events/mastery/"), []);
        await capture.close();
        await store.close();
      },
    },
  ];
  if (!isDurable) return cases;
  const durable: readonly CaptureCase[] = [
    {
      name: "events are there for the next run, which counts on",
      async run() {
        const first = await opened("durable");
        first.capture.record("answer", { n: 1 });
        await first.capture.close();
        await first.store.close();
        const second = await opened("durable", { clock: first.clock });
        second.capture.record("answer", { n: 2 });
        requireSame(
          (await all(second.capture.read("mastery"))).map(({ sequence, fields }) => [sequence, fields.n]),
          [
            [0, 1],
            [1, 2],
          ],
        );
        await second.capture.close();
        await second.store.close();
      },
    },
    {
      name: "what was withdrawn while the app was closed is deleted when it opens",
      async run() {
        const first = await opened("closed-withdrawal");
        first.capture.record("answer", { n: 1 });
        await first.capture.close();
        await first.store.close();
        const consent = new SettableConsent(["messages"]);
        consent.set("mastery", "refused");
        const second = await opened("closed-withdrawal", { clock: first.clock, consent });
        requireSame(await second.store.keys("events/mastery/"), []);
        requireSame(await numbers(second.capture, "messages"), [1]);
        await second.capture.close();
        await second.store.close();
      },
    },
  ];
  return [...cases, ...durable];
}
