import fc from "fast-check";
import t from "tap";
import * as z from "zod/mini";
import { acceptanceOf } from "../../src/json/acceptance.js";
import { consentRecord } from "../../src/records/record.js";
import { recordOf, testDevice } from "../author.js";

const parts = z.strictObject({
  word: z.string().check(z.regex(/^[a-c]+$/)),
  count: z.int().check(z.gte(0), z.lte(9)),
  part: z.number().check(z.gt(0), z.lt(1)),
  flag: z.exactOptional(z.boolean()),
  kind: z.literal(["x", 1]),
  way: z.nullable(z.enum(["up", "down"])),
  list: z.array(z.string()).check(z.minLength(1), z.maxLength(2)),
  own: z.custom<unknown>((value) => value === "x" || value === 1),
  either: z.union([z.literal("k"), z.strictObject({ a: z.boolean() })]),
  form: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("one"), n: z.int() }),
    z.strictObject({ type: z.literal("two") }).check(z.refine((value) => value.type === "two")),
  ]),
});
const good = {
  word: "abc",
  count: 3,
  part: 0.5,
  kind: "x",
  way: "up",
  list: ["a"],
  own: 1,
  either: { a: true },
  form: { type: "one", n: 2 },
};
const hostile = fc.constantFrom<unknown>(
  ..."|a|abcd|x|k|up|one".split("|"),
  ...[0, 1, -1, 9, 10, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, true, null, undefined],
  ...[[], [1], ["a"], ["a", "b"], ["a", "b", "c"], { a: true }, { a: true, b: 1 }, {}, { length: 1 }, () => "a"],
  ...[{ type: "one", n: 2 }, { type: "one" }, { type: "two" }, { type: "two", n: 1 }, { type: "three" }],
);

function agree(schema: z.ZodMiniType, value: unknown): boolean {
  return acceptanceOf(schema)(value) === schema.safeParse(value).success;
}

t.test("it says what the schema says, of values that are right and with any one or two members wrong", async (t) => {
  t.ok(acceptanceOf(parts)(good));
  const name = fc.constantFrom("flag", "more", "__proto__", "toString", ...Object.keys(good));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, hostile), { maxLength: 2 }), (changes) =>
      agree(parts, { ...good, ...Object.fromEntries(changes) }),
    ),
    { seed: 3, numRuns: 3_000 },
  );
  for (const value of [null, undefined, 1, "x", [], [good], Object.create(good)]) t.ok(agree(parts, value));
});

t.test("a consent record with any member missing, added or of another kind is left to the schema", async (t) => {
  const record: object = recordOf(testDevice(1), "given", 5);
  const isRecord = acceptanceOf(consentRecord);
  t.ok(isRecord(record));
  for (const name of Object.keys(record)) {
    const { [name]: _, ...without } = { ...record } as Record<string, unknown>;
    t.ok(agree(consentRecord, without), `without ${name}`);
    for (const value of [null, 1, "", "\n", [], {}, true])
      t.ok(agree(consentRecord, { ...record, [name]: value }), name);
  }
  t.notOk(isRecord({ ...record, more: 1 }));
});

t.test("of what it does not know it never says yes", async (t) => {
  const unknown: readonly z.ZodMiniType[] = [
    z.object({ a: z.string() }),
    z.record(z.string(), z.string()),
    z.unknown(),
    z.pipe(
      z.string(),
      z.transform((text) => text.length),
    ),
    z._default(z.string(), "a"),
    z.string().check(z.regex(/a/g)),
    z.string().check((context) => {
      context.issues.push({ code: "custom", input: context.value, message: "always" });
    }),
    z.string().check(z.trim()),
    z.lazy(() => z.string()),
  ];
  for (const schema of unknown) {
    const accepts = acceptanceOf(schema);
    for (const value of ["a", { a: "a" }, undefined]) t.notOk(accepts(value), schema._zod.def.type);
  }
});
