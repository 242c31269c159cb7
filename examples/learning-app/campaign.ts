// What product people write: rules, templates in two languages, and a test of two texts. All devices get the same, signed.
import type { JsonValue } from "@fedloop/consent";
import type { ExperimentsDefinition } from "@fedloop/feedback";

const text = (title: string, body: string): { title: string; body: string } => ({ title, body });
const fallback = {
  en: text("Go on", "A wrong answer is a step."),
  de: text("Weiter so", "Ein Fehler ist ein Schritt."),
};

export const TEMPLATES = {
  defaultLanguage: "en",
  templates: {
    plain: {
      variables: { answers: { type: "number" } },
      texts: {
        en: text("Practice", "You have given {{ answers }} {% if answers == 1 %}answer{% else %}answers{% endif %}."),
        de: text("Übung", "Du hast {{ answers }} Antworten gegeben."),
      },
      fallback,
    },
    warm: {
      variables: { answers: { type: "number" } },
      texts: {
        en: text("Nearly there!", "After <b>{{ answers }}</b> answers you are about to get it. One more?"),
        de: text("Fast geschafft!", "Nach <b>{{ answers }}</b> Antworten hast du es bald. Noch eine?"),
      },
      fallback,
    },
  },
} satisfies JsonValue;

/** Encourages who has just been wrong and will probably be right next. */
export const RULES = [
  {
    id: "encourage",
    purpose: "mastery",
    on: { type: "milestone", event: "answer.given", count: 1, repeats: true },
    when: { "==": [{ var: "event.correct" }, false] },
    propensity: { model: "mastery", atLeastPerMille: 250 },
  },
] satisfies JsonValue;

export const EXPERIMENTS: ExperimentsDefinition = {
  experiments: [
    {
      id: "encouragement",
      version: 1,
      arms: [
        { name: "plain", weight: 1 },
        { name: "warm", weight: 1 },
      ],
      outcomes: ["shown", "opened"],
    },
  ],
};
