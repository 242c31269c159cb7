/** How long a message takes: rendering of a signed Liquid template, and the decision whether it may be shown. */
import { generateWebCryptoSigner, webCryptoVerifier } from "@fedloop/consent";
import {
  afterDelivery,
  caps,
  coolDown,
  decide,
  freshDelivery,
  learnedCadence,
  quietHours,
  seededNumbers,
  signBundle,
} from "@fedloop/feedback";
import { liquidTemplates, Messages } from "@fedloop/feedback/templates";

const TEXT = {
  title: "Well done, {{ name | capitalize }}",
  body: "You have <b>{{ count }}</b> {% if count == 1 %}answer{% else %}answers{% endif %}: {% assign list = skills | split: ',' %}{% for skill in list %}<i>{{ skill }}</i> {% endfor %}",
};
const CONTENTS = {
  defaultLanguage: "en",
  templates: {
    welcome: {
      variables: {
        name: { type: "text", maxLength: 60 },
        count: { type: "number" },
        skills: { type: "text", maxLength: 500 },
      },
      texts: { en: TEXT },
      fallback: { en: { title: "Well done", body: "Go on." } },
    },
  },
};

function quantiles(latenciesMs: Float64Array): {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
} {
  latenciesMs.sort();
  const at = (part: number): number =>
    Math.round(10_000 * (latenciesMs[Math.floor(part * (latenciesMs.length - 1))] ?? Number.NaN)) / 10_000;
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/** Renders and decides so many times. */
export async function messagesBenchmark({ count }: { readonly count: number }): Promise<object[]> {
  const signer = await generateWebCryptoSigner();
  const bytes = await signBundle("templates", 1, CONTENTS, signer);
  const trust = { keys: [signer.publicKey], verifier: webCryptoVerifier() };
  const messages = await Messages.open(bytes, trust, liquidTemplates());
  const random = seededNumbers("messages");
  const skills = Array.from({ length: 20 }, (_, n) => `skill ${n}`).join(",");
  const renderMs = new Float64Array(count);
  let fallbacks = 0;
  for (let n = 0; n < count; n++) {
    const variables = { name: `person <${n}>`, count: random.below(50), skills };
    const beforeMs = performance.now();
    const message = messages.render("welcome", variables);
    renderMs[n] = performance.now() - beforeMs;
    if (message.fallback !== undefined) fallbacks += 1;
  }
  const limits = [
    caps({ perSession: 2, perDay: 3, perWeek: 8 }),
    coolDown(45),
    quietHours("22:00", "07:30"),
    learnedCadence({ minutes: 60 }),
  ];
  const decideMs = new Float64Array(count);
  let state = freshDelivery;
  let nowMs = Date.UTC(2026, 10, 12);
  let shown = 0;
  for (let n = 0; n < count; n++) {
    nowMs += random.below(3_600_000);
    const beforeMs = performance.now();
    const verdict = decide("normal", state, limits, { nowMs, utcOffsetMinutes: 60 });
    decideMs[n] = performance.now() - beforeMs;
    if (verdict.type !== "show") continue;
    shown += 1;
    state = afterDelivery(state, { type: "shown", class: "normal", atMs: nowMs, localHour: 12 });
  }
  return [
    { step: "render a Liquid template", count, fallbacks, ...quantiles(renderMs) },
    { step: "decide whether to show", count, shown, ...quantiles(decideMs) },
  ];
}
