// The data points of the course: what they are for, how long they are kept, what of them may be counted.
import { type CapturedEvent, defineEvents, type Feature, meanOf, recency } from "@fedloop/feedback";
import * as z from "zod/mini";

/** Purposes, as the two plans name them. */
export const MASTERY = "mastery";
export const QUALITY = "course-quality";

const KEPT_DAYS = 90;

export const registry = defineEvents({
  purposes: [MASTERY, QUALITY],
  events: {
    "answer.given": {
      purpose: [MASTERY, QUALITY],
      retentionDays: KEPT_DAYS,
      egress: "aggregate",
      fields: {
        correct: { schema: z.boolean(), purpose: [MASTERY, QUALITY], egress: "aggregate" },
        // Which question it was stays on the device: it would tell too much, and no number needs it.
        question: { schema: z.string().check(z.maxLength(60)), purpose: MASTERY },
      },
    },
    // A click on "Show me how". That many people need it decides whether the lesson is rewritten; nothing else is asked of it.
    "hint.opened": { purpose: QUALITY, retentionDays: KEPT_DAYS, egress: "aggregate", fields: {} },
  },
});

/** Part of a hundred answers that somebody has practised. */
const practice: Feature = { names: ["practice"], values: (events) => [Math.min(events.length, 100) / 100] };

/** What the mastery model looks at, in the order of its weights. */
export const FEATURES: readonly Feature[] = [meanOf("answer.given", "correct"), recency("answer.given"), practice];
export const WEIGHTS: readonly string[] = FEATURES.flatMap(({ names }) => names);

/** Whether an answer was right; undefined for other events. */
export function wasRight({ type, fields }: CapturedEvent): boolean | undefined {
  return type === "answer.given" ? fields.correct === true : undefined;
}
