// A loop as an app has it, on disk, behind a long log: what a click has to go through before a toast is up.
import { type Clock, systemClock } from "@fedloop/client-runtime";
import { indexedDbStore } from "@fedloop/client-runtime/browser";
import type { Signer } from "@fedloop/consent";
import { webCryptoVerifier } from "@fedloop/consent";
import {
  Capture,
  caps,
  coolDown,
  Delivery,
  type EventDefinitions,
  type EventRegistry,
  Experiments,
  experimentContent,
  FeedbackLoop,
  frequency,
  hashed,
  listenToDom,
  type MessageSurface,
  meanOf,
  OutcomeLog,
  purposeGate,
  recency,
  SettableConsent,
  sessions,
  signBundle,
  timeOfDay,
} from "@fedloop/feedback";
import { liquidTemplates, Messages } from "@fedloop/feedback/templates";
import { logisticPropensity, openRules } from "@fedloop/feedback/triggers";

/** More than a trigger's features look at. */
const PAST_EVENTS = 600;
const HOUR_MS = 3_600_000;

/** What the loop is made with. */
export interface BusyLoopOptions {
  readonly registry: EventRegistry<EventDefinitions<string>>;
  readonly purpose: string;
  readonly signer: Signer;
  readonly surface: MessageSurface;
  /** Where clicks are heard. */
  readonly root: Element;
  readonly onError: (cause: unknown) => void;
}

/** An hour later each time that somebody has been shown something: limits are asked, and never hold. */
class HourlyClock implements Clock {
  shown = 0;
  readonly #system = systemClock();

  now(): number {
    return this.#system.now() + this.shown * HOUR_MS;
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#system.wait(ms, signal);
  }
}

const text = (body: string) => ({
  variables: { count: { type: "number" }, name: { type: "text", maxLength: 40 } },
  texts: { en: { title: "Well done, {{ name }}", body } },
  fallback: { en: { title: "Well done", body: "" } },
});

const EXPERIMENT = {
  id: "tone",
  version: 1,
  arms: [
    { name: "plain", weight: 1 },
    { name: "warm", weight: 1 },
  ],
  outcomes: ["shown", "opened"],
};

/** Rules, a condition, a score over features, an experiment, limits, Liquid, IndexedDB. Every event "tick" is due a message. */
export async function openBusyLoop({
  registry,
  purpose,
  signer,
  surface,
  root,
  onError,
}: BusyLoopOptions): Promise<FeedbackLoop> {
  const trust = { keys: [signer.publicKey], verifier: webCryptoVerifier() };
  const store = indexedDbStore("busy");
  const gate = purposeGate(new SettableConsent([purpose]));
  const capture = await Capture.open({ registry, store, gate });
  for (let n = 0; n < PAST_EVENTS; n++) capture.recordUntyped("answer", { correct: n % 3 > 0, skill: String(n % 11) });
  await capture.flush();
  listenToDom(root, capture, { onError });
  const rules = [
    {
      id: "tick",
      purpose,
      on: { type: "milestone", event: "tick", count: 1, repeats: true },
      when: { and: [{ "==": [{ var: "event.type" }, "tick"] }, { ">": [{ var: "features.mean:answer:correct" }, 0] }] },
      propensity: { model: "mastery", atLeastPerMille: 10 },
    },
  ];
  const templates = {
    plain: text("{% if count > 1 %}<b>{{ count }}</b> answers{% else %}First{% endif %}"),
    warm: text("<em>{{ name }}</em>: {% for n in (1..5) %}{{ n | times: count }} {% endfor %}"),
  };
  const contents = { defaultLanguage: "en", templates };
  const experiments = new Experiments({ experiments: [EXPERIMENT] }, new Uint8Array(32));
  const clock = new HourlyClock();
  const limits = [caps({ perSession: 1, perDay: 24, perWeek: 168 }), coolDown(10)];
  return FeedbackLoop.open({
    capture,
    gate,
    store,
    surface,
    onError,
    triggers: (await openRules(await signBundle("rules", 1, rules, signer), trust)).triggers,
    features: [
      recency(),
      frequency(7),
      sessions(),
      timeOfDay(),
      meanOf("answer", "correct"),
      hashed("answer", "skill", 8),
    ],
    models: [logisticPropensity("mastery", { "mean:answer:correct": 1, "sessions:count": 0.1 }, 0)],
    messages: await Messages.open(await signBundle("templates", 1, contents, signer), trust, liquidTemplates()),
    delivery: await Delivery.open({ store, clock, limits }),
    campaigns: [
      {
        trigger: "tick",
        content: experimentContent({
          experiments,
          outcomes: new OutcomeLog(experiments, store),
          experiment: "tone",
          templates: { plain: "plain", warm: "warm" },
          shown: "shown",
          opened: "opened",
        }),
        variables: () => {
          clock.shown += 1;
          return { count: capture.count(purpose).events, name: "Ada" };
        },
      },
    ],
  });
}
