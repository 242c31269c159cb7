/** What the feedback loop reads: what it has kept in a device's store, and what product people publish. */
import { memoryStore } from "@fedloop/client-runtime";
import { canonicalBytes, LedgerError, sha256Text } from "@fedloop/consent";
import { nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import {
  Broken,
  type Draw,
  type Fuzzed,
  fixed,
  mutateBytes,
  mutateJson,
  mutateText,
  one,
  same,
  utf8,
} from "@fedloop/fuzz";
import * as z from "zod/mini";
import { decodeItems, encodeItems, readQueuedOrigin } from "../../src/capture/ahead-items.js";
import { EventLog } from "../../src/capture/event-log.js";
import {
  DecisionLog,
  Delivery,
  defineEvents,
  Experiments,
  FeedbackError,
  freshDelivery,
  OutcomeLog,
  openBundle,
  openTable,
  signBundle,
  writeTable,
} from "../../src/index.js";
import { checkedBundle, liquidTemplates, Messages, placeholderTemplates } from "../../src/templates/index.js";
import { parseRules, type Rule, ruleTrigger } from "../../src/triggers/index.js";

const isFeedback = (cause: unknown): boolean => cause instanceof FeedbackError;
/** Contents that cannot be signed never reach a device. */
const isRefusedOrUnsigned = (cause: unknown): boolean => isFeedback(cause) || cause instanceof LedgerError;

const signer = nodeSigner(fixed(32, 1));
const trust = { keys: [signer.publicKey], verifier: nodeVerifier() };
const NOW_MS = 1_700_000_000_000;

/** Bytes of JSON in a store, damaged by hand and by chance. */
function damaged(seed: unknown): Pick<Fuzzed, "make" | "valid"> {
  const text = JSON.stringify(seed);
  return {
    make: (draw) => (draw() < 0.7 ? utf8(mutateJson([text], draw)) : mutateBytes([utf8(text)], draw)),
    valid: [utf8(text)],
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const EXPERIMENTS = {
  experiments: [
    {
      id: "nudge",
      version: 1,
      arms: [
        { name: "control", weight: 1 },
        { name: "nudge", weight: 1 },
      ],
      layer: { id: "home", from: 0, to: 5_000 },
      outcomes: ["finished"],
    },
  ],
  holdout: { id: "all", buckets: 500 },
};

function kept(): Fuzzed[] {
  const segment = [[3, NOW_MS - 1_000, "answer.given", { correct: true, seconds: 2.5 }]];
  const key = `events/mastery/000000000003.3.1.${NOW_MS + 10_000}`;
  const state = { state: freshDelivery, waiting: [{ id: "a", class: "digest", sinceMs: NOW_MS - 5 }] };
  const decision = { context: [1, 0.5], arm: "a", propensity: 0.5, reward: 1 };
  const experiments = new Experiments(EXPERIMENTS, fixed(32, 4));
  return [
    {
      name: "EventLog",
      inputs: 3_000,
      make: (draw) => ({
        bytes: damaged(segment).make(draw),
        key: draw() < 0.8 ? key : `events/mastery/${mutateText([key.slice(15)], draw)}`.slice(0, 200),
      }),
      valid: [{ bytes: utf8(JSON.stringify(segment)), key }],
      isRefusal: isFeedback,
      decode: async ({ bytes, key }: { bytes: Uint8Array; key: string }) => {
        const store = memoryStore();
        await store.put(key, bytes);
        const retentionMs = (): number => 86_400_000;
        const log = await EventLog.open({ store, prefix: "events/mastery/", capacity: 10, retentionMs });
        for await (const event of log.read(NOW_MS)) if (event.atMs + 86_400_000 <= NOW_MS) throw new Broken("too old");
        const { sequence } = log.append(NOW_MS, "answer.given", { correct: false });
        await log.flush(NOW_MS);
        const read = [];
        for await (const event of log.read(NOW_MS)) read.push(event);
        if (read.at(-1)?.sequence !== sequence) throw new Broken("what was captured last is not read");
        return read;
      },
    },
    {
      name: "Delivery",
      inputs: 3_000,
      ...damaged(state),
      isRefusal: isFeedback,
      decode: async (bytes: Uint8Array) => {
        const store = memoryStore();
        await store.put("delivery/state", bytes);
        const clock = { now: () => NOW_MS, wait: async () => undefined };
        const delivery = await Delivery.open({ store, limits: [], clock, utcOffsetMinutes: () => 0 });
        delivery.activity();
        delivery.offer({ id: "b", class: "normal" });
        delivery.due();
        await delivery.flush();
        await Delivery.open({ store, limits: [], clock });
        return delivery.state;
      },
    },
    {
      name: "decodeItems",
      inputs: 4_000,
      neverRefuses: true,
      ...damaged([["here#3", "mastery", NOW_MS, "answer.given", { correct: true, seconds: 2.5 }]]),
      isRefusal: () => false,
      decode: (bytes: Uint8Array) => {
        const items = decodeItems(bytes);
        same(decodeItems(encodeItems(items)), items);
        for (const { origin } of items) readQueuedOrigin(origin);
      },
    },
    {
      name: "OutcomeLog",
      inputs: 2_500,
      ...damaged({ version: 1, outcomes: ["finished"] }),
      isRefusal: isFeedback,
      decode: async (bytes: Uint8Array) => {
        const store = memoryStore();
        await store.put("experiments/outcomes/nudge", bytes);
        await new OutcomeLog(experiments, store).vector("nudge");
      },
    },
    {
      name: "DecisionLog",
      inputs: 2_500,
      ...damaged([decision, decision]),
      isRefusal: isFeedback,
      decode: async (bytes: Uint8Array) => {
        const store = memoryStore();
        await store.put("bandit/home", bytes);
        const log = new DecisionLog(store, "home");
        await log.add(decision);
        same((await log.all()).at(-1), decision);
      },
    },
  ];
}

const RULES: readonly Rule[] = [
  { id: "stuck", purpose: "mastery", on: { type: "inactivity", minutes: 30 } },
  {
    id: "streak",
    purpose: "mastery",
    on: { type: "milestone", event: "answer.given", count: 1, repeats: true },
    when: { and: [{ ">": [{ var: "event.fields.seconds" }, 2] }, { in: ["a", ["a", "b"]] }] },
    propensity: { model: "drop-out", atLeastPerMille: 500 },
  },
  { id: "path", purpose: "mastery", on: { type: "sequence", events: ["a", "b"], withinMinutes: 5 } },
];

const TEXT =
  "{% if name %}{{ name | upcase }}{% else %}{{ count | plus: 1 }}{% endif %} {% for i in (1..3) %}{{ i }}{% endfor %}";
const TEMPLATES = {
  defaultLanguage: "en",
  templates: {
    welcome: {
      variables: { name: { type: "text", maxLength: 40 }, count: { type: "number" } },
      texts: { en: { title: "Hello {{ name }}", body: "<b>{{ name }}</b>" } },
      fallback: { en: { title: "Hello", body: "Go on" } },
    },
  },
};

async function published(): Promise<Fuzzed[]> {
  const rules = JSON.stringify(RULES);
  const templates = JSON.stringify(TEMPLATES);
  const bundle = await signBundle("rules", 2, JSON.parse(rules), signer);
  const bundleText = new TextDecoder().decode(bundle);
  const { bytes: table } = writeTable({
    name: "items",
    columns: ["a", "b"],
    rows: { x: ["1", "-2.5"], y: ["0", "3"] },
  });
  const engines = { liquid: liquidTemplates(), placeholders: placeholderTemplates() };
  const event = { sequence: 0, atMs: NOW_MS, type: "answer.given", fields: { seconds: 3, correct: true } };
  const signal = { type: "event", event } as const;
  const surroundings = { features: () => ({ names: ["recency"], values: Float64Array.of(0.5) }), score: () => 0.9 };
  const registry = defineEvents({
    purposes: ["mastery"],
    events: {
      "answer.given": {
        purpose: "mastery",
        retentionDays: 90,
        fields: {
          correct: { schema: z.boolean(), purpose: "mastery" },
          seconds: { schema: z.optional(z.number()), purpose: "mastery" },
        },
      },
    },
  });
  return [
    {
      name: "openBundle",
      inputs: 2_500,
      make: (draw) => (draw() < 0.5 ? mutateBytes([bundle], draw) : utf8(mutateJson([bundleText], draw))),
      valid: [bundle],
      isRefusal: isFeedback,
      decode: async (bytes: Uint8Array) => {
        const { contents } = await openBundle("rules", bytes, trust);
        same([...canonicalBytes(contents)], [...canonicalBytes(JSON.parse(rules))]);
      },
    },
    {
      name: "parseRules and what they do",
      inputs: 4_000,
      make: (draw) => mutateJson([rules], draw),
      valid: [rules],
      isRefusal: isFeedback,
      decode: (text: string) => {
        for (const rule of parseRules(parsed(text))) {
          const trigger = ruleTrigger(rule);
          trigger.next(trigger.start, signal, surroundings);
          trigger.next(trigger.start, { type: "time", atMs: NOW_MS }, surroundings);
        }
      },
    },
    {
      name: "Messages of a signed bundle",
      inputs: 1_500,
      make: (draw) => mutateJson([templates], draw),
      valid: [templates],
      isRefusal: isRefusedOrUnsigned,
      decode: async (text: string) => {
        const contents = parsed(text) as Parameters<typeof checkedBundle>[0];
        const bytes = await signBundle("templates", 1, JSON.parse(JSON.stringify(checkedBundle(contents))), signer);
        const messages = await Messages.open(bytes, trust, engines.liquid);
        if (messages.has("welcome")) return messages.render("welcome", { name: "Ada", count: 2 });
        return undefined;
      },
    },
    {
      name: "a template's text",
      inputs: 1_500,
      make: (draw) => ({ source: mutateText([TEXT], draw), engine: one(draw, ["liquid", "placeholders"]) }),
      valid: [{ source: TEXT, engine: "liquid" }],
      isRefusal: isFeedback,
      decode: ({ source, engine }: { source: string; engine: keyof typeof engines }) =>
        engines[engine].compile(source).render({ name: "<i>", count: 2 }, true),
    },
    {
      name: "openTable",
      inputs: 3_000,
      make: (draw) =>
        draw() < 0.6 ? utf8(mutateJson([new TextDecoder().decode(table)], draw)) : mutateBytes([table], draw),
      valid: [table],
      isRefusal: isFeedback,
      decode: (bytes: Uint8Array) => {
        const { columns, row } = openTable(bytes, sha256Text(bytes));
        if (row("x") !== undefined && row("x")?.length !== columns.length) throw new Broken("a row of another length");
        if (row("constructor") !== undefined || row("toString") !== undefined) same("inherited", Object.keys(columns));
      },
    },
    {
      name: "Experiments",
      inputs: 3_000,
      make: (draw) => mutateJson([JSON.stringify(EXPERIMENTS)], draw),
      valid: [JSON.stringify(EXPERIMENTS)],
      isRefusal: isFeedback,
      decode: (text: string) => {
        const experiments = new Experiments(parsed(text) as never, fixed(32, 4));
        for (const { id } of experiments.definition.experiments) experiments.assign(id);
      },
    },
    {
      name: "EventRegistry's events",
      inputs: 3_000,
      make: (draw: Draw) =>
        parsed(mutateJson(['{"type":"answer.given","fields":{"correct":true,"seconds":1.5}}'], draw)),
      valid: [{ type: "answer.given", fields: { correct: true } }],
      isRefusal: isFeedback,
      decode: (event: { type?: unknown; fields?: unknown } | null) => {
        const fields = typeof event?.fields === "object" && event.fields !== null ? event.fields : {};
        const portions = registry.divide(typeof event?.type === "string" ? event.type : "", fields as never);
        registry.fieldFromText("answer.given", "seconds", "seconds" in fields ? JSON.stringify(fields.seconds) : "1");
        return portions;
      },
    },
  ];
}

export async function decoders(): Promise<Fuzzed[]> {
  return [...kept(), ...(await published())];
}
