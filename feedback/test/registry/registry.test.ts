import t from "tap";
import * as z from "zod/mini";
import { defineEvents, type EventDefinitions } from "../../src/index.js";

const registry = defineEvents({
  purposes: ["mastery", "messages"],
  events: {
    "answer.given": {
      purpose: ["mastery", "messages"],
      retentionDays: 90,
      egress: "aggregate",
      fields: {
        skill: { schema: z.string().check(z.maxLength(20)), purpose: "mastery" },
        correct: { schema: z.boolean(), purpose: ["mastery", "messages"], egress: "aggregate" },
        seconds: { schema: z.optional(z.number().check(z.gte(0))), purpose: "mastery" },
      },
    },
    "lesson.opened": { purpose: "messages", retentionDays: 7, fields: {} },
  },
});

/** Never called: what stands here has to build, or has to be an error where the comment says so. */
export function typing(): unknown[] {
  return [
    defineEvents({
      purposes: ["mastery"],
      events: {
        "answer.given": {
          purpose: "mastery",
          retentionDays: 1,
          // @ts-expect-error: a field without a purpose
          fields: { correct: { schema: z.boolean() } },
        },
      },
    }),
    defineEvents({
      purposes: ["mastery"],
      // @ts-expect-error: an event without a purpose
      events: { "answer.given": { retentionDays: 1, fields: {} } },
    }),
    defineEvents({
      purposes: ["mastery"],
      // @ts-expect-error: a purpose that is not declared
      events: { "answer.given": { purpose: "advertising", retentionDays: 1, fields: {} } },
    }),
    defineEvents({
      purposes: ["mastery"],
      // @ts-expect-error: an event without a retention
      events: { "answer.given": { purpose: "mastery", fields: {} } },
    }),
    defineEvents({
      purposes: ["mastery"],
      events: {
        "answer.given": {
          purpose: "mastery",
          retentionDays: 1,
          // @ts-expect-error: there is no egress of raw values
          fields: { correct: { schema: z.boolean(), purpose: "mastery", egress: "raw" } },
        },
      },
    }),
    defineEvents({
      purposes: ["mastery"],
      events: {
        "answer.given": {
          purpose: "mastery",
          retentionDays: 1,
          // @ts-expect-error: an object is no field
          fields: { answer: { schema: z.object({ text: z.string() }), purpose: "mastery" } },
        },
      },
    }),
  ];
}

function refused(purposes: unknown, events: unknown): () => unknown {
  return () => defineEvents({ purposes: purposes as string[], events: events as EventDefinitions<string> });
}

t.test("what the compiler refuses is refused at run time too, and the message names the place", async (t) => {
  const good = { purpose: "mastery", retentionDays: 1, fields: {} };
  const field = { schema: z.boolean(), purpose: "mastery" };
  const table: readonly [string, unknown, unknown, RegExp][] = [
    [
      "no purpose of a field",
      ["mastery"],
      { a: { ...good, fields: { x: { schema: z.boolean() } } } },
      /a › fields › x/,
    ],
    ["an empty list of purposes", ["mastery"], { a: { ...good, fields: { x: { ...field, purpose: [] } } } }, /x/],
    ["no purpose of an event", ["mastery"], { a: { retentionDays: 1, fields: {} } }, /events › a/],
    [
      "another purpose",
      ["mastery"],
      { a: { ...good, purpose: "advertising" } },
      /"advertising", which is not declared/,
    ],
    ["another purpose of a field", ["mastery"], { a: { ...good, fields: { x: { ...field, purpose: "p" } } } }, /a › x/],
    ["no retention", ["mastery"], { a: { purpose: "mastery", fields: {} } }, /retention/],
    ["endless retention", ["mastery"], { a: { ...good, retentionDays: Number.POSITIVE_INFINITY } }, /retention/],
    ["ten years", ["mastery"], { a: { ...good, retentionDays: 3_650 } }, /1095 days/],
    ["no days", ["mastery"], { a: { ...good, retentionDays: 0 } }, /retention/],
    ["no schema", ["mastery"], { a: { ...good, fields: { x: { purpose: "mastery" } } } }, /schema/],
    ["raw egress", ["mastery"], { a: { ...good, egress: "raw" } }, /egress/],
    ["an unknown key", ["mastery"], { a: { ...good, upload: true } }, /events › a/],
    ["a name with a slash", ["a/b"], {}, /purposes/],
    ["no purposes", [], {}, /purposes/],
  ];
  for (const [name, purposes, events, message] of table) {
    t.throws(refused(purposes, events), { code: "BAD_REGISTRY", message }, name);
  }
});

t.test("nothing leaves the device unless the registry says so", async (t) => {
  t.equal(registry.egress("answer.given", "correct"), "aggregate");
  t.equal(registry.egress("answer.given", "skill"), "never");
  t.equal(registry.egress("lesson.opened"), "never");
  t.equal(registry.egress("unknown"), "never");
  t.equal(registry.egress("answer.given", "unknown"), "never");
});

t.test("each purpose gets the fields that were declared for it and no others", async (t) => {
  t.same(registry.divide("answer.given", { skill: "fractions", correct: true, seconds: 3 }), [
    { purpose: "mastery", fields: { skill: "fractions", correct: true, seconds: 3 } },
    { purpose: "messages", fields: { correct: true } },
  ]);
  t.same(registry.divide("lesson.opened", {}), [{ purpose: "messages", fields: {} }]);
});

t.test("an event that does not fit is refused without a word of what it held", async (t) => {
  const secret = "what this person wrote";
  const table: readonly [string, { [name: string]: unknown }][] = [
    ["answer.given", { skill: secret.repeat(2), correct: true }],
    ["answer.given", { skill: "a", correct: secret }],
    ["answer.given", { skill: "a", correct: true, seconds: Number.POSITIVE_INFINITY }],
    ["answer.given", { skill: "a", correct: true, seconds: Number.NaN }],
    ["answer.given", { skill: "a" }],
    ["answer.given", { skill: "a", correct: true, comment: secret }],
    ["answer.given", JSON.parse(`{"skill":"a","correct":true,"__proto__":"${secret}"}`)],
    ["toString", {}],
    ["__proto__", {}],
  ];
  for (const [type, fields] of table) {
    try {
      registry.divide(type, fields);
      t.fail(`${type} ${Object.keys(fields)}`);
    } catch (cause) {
      t.match(cause, { code: "BAD_EVENT" });
      t.notMatch(String(cause), secret);
    }
  }
});

t.test("a schema that lets an object through does not make it a field", async (t) => {
  const loose = defineEvents({
    purposes: ["p"],
    events: { a: { purpose: "p", retentionDays: 1, fields: { x: { schema: z.any(), purpose: "p" } } } },
  });
  t.throws(() => loose.divide("a", { x: { deep: 1 } }), { code: "BAD_EVENT" });
});

t.test("texts become the values that the schema takes", async (t) => {
  t.equal(registry.fieldFromText("answer.given", "skill", "12"), "12");
  t.equal(registry.fieldFromText("answer.given", "correct", "false"), false);
  t.equal(registry.fieldFromText("answer.given", "seconds", "12.5"), 12.5);
  t.throws(() => registry.fieldFromText("answer.given", "seconds", "soon"), { code: "BAD_EVENT" });
  t.throws(() => registry.fieldFromText("answer.given", "seconds", " "), { code: "BAD_EVENT" });
  t.throws(() => registry.fieldFromText("answer.given", "none", "1"), { code: "BAD_EVENT" });
});

t.test("the registry describes itself for the notice", async (t) => {
  t.match(registry.describe(), [
    {
      type: "answer.given",
      purposes: ["mastery", "messages"],
      retentionDays: 90,
      egress: "aggregate",
      fields: [{ name: "skill", purposes: ["mastery"], egress: "never" }, { name: "correct" }, { name: "seconds" }],
    },
    { type: "lesson.opened", fields: [] },
  ]);
});
