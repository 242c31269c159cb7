import { memoryStore } from "@fedloop/client-runtime";
import { generateWebCryptoSigner, webCryptoVerifier } from "@fedloop/consent";
import t from "tap";
import * as z from "zod/mini";
import {
  type Attention,
  type Bandit,
  banditContent,
  Capture,
  type ContentChoice,
  caps,
  coolDown,
  DecisionLog,
  Delivery,
  type DeliveryLimit,
  defineEvents,
  Experiments,
  experimentContent,
  FeedbackLoop,
  type FeedbackLoopOptions,
  fixedContent,
  type MessageResponse,
  type MessageSurface,
  OutcomeLog,
  purposeGate,
  SettableConsent,
  type ShownMessage,
  seededNumbers,
  signBundle,
} from "../../src/index.js";
import { type CompiledTemplate, liquidTemplates, Messages, type TemplateEngine } from "../../src/templates/index.js";
import { ruleTrigger, type Trigger } from "../../src/triggers/index.js";
import { ManualClock } from "../manual-clock.js";

const PURPOSE = "messages";
const HOUR_MS = 3_600_000;
const registry = defineEvents({
  purposes: [PURPOSE],
  events: {
    answer: {
      purpose: PURPOSE,
      retentionDays: 30,
      fields: { correct: { schema: z.boolean(), purpose: PURPOSE } },
    },
  },
});
const text = (body: string) => ({
  variables: { name: { type: "text", maxLength: 20 } },
  texts: { en: { title: `${body}!`, body: `${body} {{ name }}` } },
  fallback: { en: { title: body, body } },
});
const CONTENTS = {
  defaultLanguage: "en",
  templates: { praise: text("Praise"), plain: text("Plain"), warm: text("Warm") },
};
const signer = await generateWebCryptoSigner();
const bundle = await signBundle("templates", 1, CONTENTS, signer);
const trust = { keys: [signer.publicKey], verifier: webCryptoVerifier() };
const milestone = ruleTrigger({
  id: "answers",
  purpose: PURPOSE,
  on: { type: "milestone", event: "answer", count: 1, repeats: true },
});

/** A surface that keeps what it is shown, and answers at once. */
class Shelf implements MessageSurface {
  readonly as = "html";
  readonly shown: ShownMessage[] = [];
  response: MessageResponse = "opened";

  async show(message: ShownMessage): Promise<MessageResponse> {
    this.shown.push(message);
    return this.response;
  }
}

interface Parts {
  readonly limits?: readonly DeliveryLimit[];
  readonly content?: ContentChoice;
  readonly triggers?: readonly Trigger[];
  readonly engine?: TemplateEngine;
  readonly surface?: MessageSurface;
  readonly attention?: Attention;
  readonly class?: "normal" | "digest" | "critical";
}

async function opened(parts: Parts = {}) {
  const { limits = [], content = fixedContent("praise"), triggers = [milestone], engine = liquidTemplates() } = parts;
  const store = memoryStore();
  const clock = new ManualClock();
  const consent = new SettableConsent([PURPOSE]);
  const gate = purposeGate(consent, { globalPrivacyControl: () => false });
  const capture = await Capture.open({ registry, store, gate, clock });
  const delivery = await Delivery.open({ store, limits, clock, utcOffsetMinutes: () => 0 });
  const shelf = new Shelf();
  const errors: unknown[] = [];
  const options: FeedbackLoopOptions<(typeof registry)["definitions"]> = {
    capture,
    gate,
    store,
    clock,
    delivery,
    triggers,
    messages: await Messages.open(bundle, trust, engine),
    surface: parts.surface ?? shelf,
    ...(parts.attention === undefined ? {} : { attention: parts.attention }),
    campaigns: [{ trigger: "answers", content, class: parts.class ?? "normal", variables: () => ({ name: "<Ada>" }) }],
    onError: (cause) => errors.push(cause),
  };
  const loop = await FeedbackLoop.open(options);
  return { loop, options, capture, clock, consent, delivery, shelf, store, errors };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

t.test("an event becomes a message, without a server and within the call that recorded it", async (t) => {
  const { loop, capture, shelf, delivery } = await opened();
  capture.record("answer", { correct: true });
  t.same(shelf.shown, [{ class: "normal", title: "Praise!", body: "Praise &lt;Ada&gt;", language: "en" }]);
  await settle();
  t.equal(delivery.state.openedByHour[9], 1);
  await loop.close();
  capture.record("answer", { correct: true });
  t.equal(shelf.shown.length, 1, "nothing after its end");
});

t.test("what has to wait is shown when its time has come", async (t) => {
  const { loop, capture, shelf, clock } = await opened({ limits: [coolDown(60)] });
  for (let n = 0; n < 3; n++) capture.record("answer", { correct: true });
  t.equal(shelf.shown.length, 1);
  clock.advance(HOUR_MS);
  await settle();
  t.equal(shelf.shown.length, 2, "once: one campaign has one message to say");
  await loop.close();
});

t.test("while nobody is there messages wait, uncounted; who comes sees them, and a next visit does", async (t) => {
  const page = { isPresent: false, changed: () => {} };
  const attention: Attention = {
    get isPresent() {
      return page.isPresent;
    },
    onChange(listener) {
      page.changed = listener;
      return () => {};
    },
  };
  const limits = [caps({ perSession: 9, perDay: 2, perWeek: 9 })];
  const first = await opened({ attention, limits });
  for (let n = 0; n < 3; n++) first.capture.record("answer", { correct: true });
  first.clock.advance(HOUR_MS);
  await settle();
  t.equal(first.shelf.shown.length, 0);
  t.same(first.delivery.state.shownMs, [], "the caps hold for what is seen");
  page.isPresent = true;
  page.changed();
  t.equal(first.shelf.shown.length, 1);
  page.isPresent = false;
  first.capture.record("answer", { correct: true });
  await first.loop.close();
  page.isPresent = true;
  const next = await FeedbackLoop.open({ ...first.options, delivery: await Delivery.open({ ...first, limits }) });
  t.equal(first.shelf.shown.length, 2, "what waited is kept");
  await next.close();
});

t.test("after a withdrawal nothing is shown, not even what waited", async (t) => {
  const { loop, capture, shelf, clock, consent } = await opened({ limits: [coolDown(60)] });
  capture.record("answer", { correct: true });
  capture.record("answer", { correct: true });
  consent.set(PURPOSE, "refused");
  t.same(capture.record("answer", { correct: true }).captured, []);
  clock.advance(HOUR_MS);
  await settle();
  t.equal(shelf.shown.length, 1);
  await loop.close();
});

t.test("an opt-out on the message ends all messages", async (t) => {
  const { loop, capture, shelf } = await opened();
  shelf.response = "opted-out";
  capture.record("answer", { correct: true });
  await settle();
  capture.record("answer", { correct: true });
  t.equal(shelf.shown.length, 1);
  await loop.close();
});

t.test("several that waited come as one digest", async (t) => {
  const other = ruleTrigger({ id: "first", purpose: PURPOSE, on: { type: "milestone", event: "answer", count: 1 } });
  const third = ruleTrigger({ id: "second", purpose: PURPOSE, on: { type: "milestone", event: "answer", count: 1 } });
  const { loop, options } = await opened({ triggers: [milestone, other, third] });
  await loop.close();
  const digest = await FeedbackLoop.open({
    ...options,
    campaigns: ["answers", "first", "second"].map((trigger, at) => ({
      trigger,
      class: "digest" as const,
      content: fixedContent(["praise", "plain", "warm"][at] ?? ""),
    })),
  });
  options.capture.record("answer", { correct: true });
  await settle();
  const { shown } = options.surface as Shelf;
  t.same(
    shown.map(({ title, body }) => [title, body]),
    [["Praise", "<p>Praise</p><p><strong>Plain</strong><br>Plain</p><p><strong>Warm</strong><br>Warm</p>"]],
  );
  await digest.close();
});

t.test("an experiment shows each device its arm's text and notes what came of it", async (t) => {
  const definition = {
    experiments: [
      {
        id: "tone",
        version: 1,
        arms: [
          { name: "plain", weight: 1 },
          { name: "warm", weight: 1 },
          { name: "nothing", weight: 1 },
        ],
        outcomes: ["shown", "opened"],
      },
    ],
  };
  const seen: Record<string, number> = {};
  for (let device = 0; device < 12; device++) {
    const experiments = new Experiments(definition, new Uint8Array(32).fill(device));
    const outcomes = new OutcomeLog(experiments, memoryStore());
    const templates = { plain: "plain", warm: "warm", nothing: null };
    const content = experimentContent({
      experiments,
      outcomes,
      experiment: "tone",
      templates,
      shown: "shown",
      opened: "opened",
    });
    const { loop, capture, shelf } = await opened({ content });
    capture.record("answer", { correct: true });
    await settle();
    const assignment = experiments.assign("tone");
    const arm = assignment.type === "arm" ? assignment.arm : "";
    seen[arm] = (seen[arm] ?? 0) + 1;
    t.same(
      shelf.shown.map(({ title }) => title),
      arm === "nothing" ? [] : [arm === "warm" ? "Warm!" : "Plain!"],
    );
    t.same([...(await outcomes.of("tone"))], arm === "nothing" ? [] : ["shown", "opened"]);
    await loop.close();
  }
  t.equal(Object.keys(seen).length, 3, JSON.stringify(seen));
});

t.test("a bandit chooses, logs its propensity and learns", async (t) => {
  const learned: unknown[] = [];
  const bandit: Bandit = {
    arms: ["a", "b"],
    propensities: () => [0.25, 0.75],
    choose: () => ({ arm: "b", propensity: 0.75 }),
    learn: (...given) => learned.push(given),
  };
  const log = new DecisionLog(memoryStore(), "tone");
  const content = banditContent({
    bandit,
    log,
    random: seededNumbers(1),
    context: () => [1, 0.5],
    templates: { a: "plain", b: "warm" },
  });
  const { loop, capture, shelf } = await opened({ content });
  capture.record("answer", { correct: true });
  await settle();
  shelf.response = "dismissed";
  capture.record("answer", { correct: true });
  await settle();
  t.equal(shelf.shown[0]?.title, "Warm!");
  t.same(learned, [
    [[1, 0.5], "b", 1],
    [[1, 0.5], "b", 0],
  ]);
  t.same(
    (await log.all()).map(({ propensity, reward }) => [propensity, reward]),
    [
      [0.75, 1],
      [0.75, 0],
    ],
  );
  await loop.close();
});

t.test(
  "trigger, template engine, limit, surface and content of another's making make a loop without touching it",
  async (t) => {
    const trigger: Trigger = {
      id: "answers",
      purpose: PURPOSE,
      start: {},
      next: (state, signal) => ({ state, fires: signal.type === "event" && signal.event.fields.correct === false }),
    };
    const compiled: CompiledTemplate = { variables: [], render: () => "from another engine" };
    const shown: string[] = [];
    const surface: MessageSurface = {
      as: "text",
      show: async ({ title }) => {
        shown.push(title);
        return "ignored";
      },
    };
    const once: DeliveryLimit = {
      name: "once",
      heldUntilMs: (_class, { shownMs }) => (shownMs.length > 0 ? Number.POSITIVE_INFINITY : undefined),
    };
    const content: ContentChoice = { choose: () => ({ template: "warm" }) };
    const { loop, capture } = await opened({
      triggers: [trigger],
      engine: { compile: () => compiled },
      surface,
      limits: [once],
      content,
    });
    capture.record("answer", { correct: true });
    t.same(shown, []);
    for (let n = 0; n < 3; n++) capture.record("answer", { correct: false });
    t.same(shown, ["from another engine"]);
    await loop.close();
  },
);

t.test("failures of a part are told, and the app's call is not disturbed", async (t) => {
  const surface: MessageSurface = {
    as: "text",
    show() {
      throw new Error("no room");
    },
  };
  const { loop, capture, errors } = await opened({ surface });
  t.same(capture.record("answer", { correct: true }).captured, [PURPOSE]);
  t.match(errors, [{ message: "no room" }]);
  await loop.close();
  const unknown = await opened({ content: fixedContent("none") });
  unknown.capture.record("answer", { correct: true });
  t.match(unknown.errors, [{ code: "UNKNOWN_TEMPLATE" }]);
  await unknown.loop.close();
  const { options } = await opened();
  const campaigns = [{ trigger: "none", content: fixedContent("praise") }];
  await t.rejects(FeedbackLoop.open({ ...options, campaigns }), { code: "BAD_OPTION" });
});
