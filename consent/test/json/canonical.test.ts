import canonicalize from "canonicalize";
import fc from "fast-check";
import t from "tap";
import * as z from "zod";
import {
  canonicalBytes,
  canonicalText,
  decodeUtf8,
  encodeUtf8,
  type JsonLimits,
  parseCanonical,
} from "../../src/index.js";
import { parseCanonicalText } from "../../src/json/canonical.js";
import { checkCanonicalText } from "../../src/json/scanner.js";
import { refuses } from "../refusals.js";
import { vectors } from "../vectors.js";

const limits: JsonLimits = { maxBytes: 65_535, maxDepth: 32 };
const parse = (text: string) => parseCanonical(encodeUtf8(text), limits);

t.test("members are sorted by UTF-16 code units, as in RFC 8785 §3.2.3", async (t) => {
  const value = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  t.equal(
    canonicalText(value),
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis",' +
      '"€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  );
});

t.test(
  "the published vectors without fractions come out as published, the one with fractions is refused",
  async (t) => {
    const file = vectors("jcs-rfc8785.json");
    if (file === undefined) return t.comment("the folder of reference vectors is absent");
    const { cases } = z
      .object({ cases: z.array(z.object({ file: z.string(), input: z.string(), output: z.string() })) })
      .parse(file);
    t.ok(cases.length >= 6);
    for (const { file: name, input, output } of cases) {
      if (name === "values.json") refuses(t, "NOT_CANONICAL", name, () => canonicalText(JSON.parse(input)));
      else {
        t.equal(canonicalText(JSON.parse(input)), output, name);
        t.equal(canonicalText(parse(output)), output, name);
        if (input !== output) refuses(t, "NOT_CANONICAL", `${name} as written`, () => parse(input));
      }
    }
  },
);

t.test("any value of the profile is written as an independent implementation writes it, and reads back", async () => {
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.string({ unit: "grapheme" }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(fc.string({ unit: "binary" }), tie("value"), { maxKeys: 5, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, (value) => {
      const normal: unknown = JSON.parse(JSON.stringify(value));
      if (JSON.stringify(normal).includes("__proto__")) return true;
      const text = canonicalText(normal);
      return text === canonicalize(normal) && canonicalText(parse(text)) === text;
    }),
    { seed: 2, numRuns: 500 },
  );
});

t.test("a text in any other than canonical form is refused", async (t) => {
  for (const text of [
    "",
    " ",
    "nul",
    '{"a":1,"a":1}',
    '{"a":1,"a":2}',
    '{"b":1,"a":2}',
    '{"a": 1}',
    '{"a":1}\n',
    '\ufeff{"a":1}',
    "[1,]",
    "1.0",
    "1.5",
    "1e3",
    "-0",
    "01",
    "9007199254740992",
    "-9007199254740993",
    "1e400",
    "NaN",
    '"\\u0041"',
    '"\\/"',
    '"\\ud800"',
    '{"\\udc00":1}',
    '{"__proto__":1}',
    '{"a":{"__proto__":{"b":1}}}',
    '"\t"',
    '"\\u001F"',
    "{}{}",
    "'a'",
    // As long as the canonical text: what is longer than it must be makes up for what is shorter.
    "[1e3, 1]",
    '{"a":1E2, "b":1}',
    '{"b":1e4,"b":1 }',
    // The engine puts names that are whole numbers in order by itself.
    '{"2":1,"1":1}',
    '{"a":{"9":1,"10":1}}',
  ])
    refuses(t, "NOT_CANONICAL", JSON.stringify(text), () => parse(text));
  t.equal(Object.hasOwn(Object.prototype, "b"), false);
});

t.test("a text is accepted exactly when writing its value again gives the same text", async (t) => {
  const pieces = fc.constantFrom(
    '"a":1',
    '"b":[1,2]',
    '"a"',
    '{"a":1}',
    '{"a":1,"b":2}',
    "{}",
    "[]",
    "[1]",
    "1",
    "-1",
    "-0",
    "0",
    "10",
    "01",
    "1.5",
    "1e3",
    "true",
    "false",
    "null",
    '""',
    '"\\n"',
    '"\\u000a"',
    '"\\u001f"',
    '"\\u001F"',
    '"\\u0007"',
    '"\\/"',
    '"\\\\"',
    '"\\""',
    '"é😀"',
    '"\ud83d"',
    '"\ude00\ud83d"',
    '"\u007f"',
    '"\u2028"',
    '"\\ud83d\\ude00"',
    '{"é":1,"z":2}',
    '{"z":2,"é":1}',
    '{"\\n":1,"a":2}',
    '{"a":2,"\\n":1}',
    '{"__proto__":1}',
    '"1":1',
    '{"1":2,"2":1}',
    '{"2":1,"1":2}',
    '"see:1.5"',
    "1e2",
    "[1e3, 1]",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    " ",
    '"',
    "9007199254740991",
    "9007199254740992",
    '{"a":1,"a":1}',
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(pieces, { minLength: 1, maxLength: 5 }), fc.boolean(), (parts, listed) => {
      const text = listed ? `[${parts.join(",")}]` : parts.join("");
      let expected = false;
      try {
        expected = canonicalText(JSON.parse(text)) === text;
      } catch {
        expected = false;
      }
      const accepts = (check: (text: string, maxDepth: number) => unknown): boolean => {
        try {
          check(text, 32);
          return true;
        } catch {
          return false;
        }
      };
      if (expected) accepted++;
      return [checkCanonicalText, parseCanonicalText].every((check) => accepts(check) === expected);
    }),
    { seed: 8, numRuns: 20_000 },
  );
  t.ok(accepted > 1_000, `${accepted} accepted`);
});

t.test("integers at the limits pass", async (t) => {
  for (const text of ["9007199254740991", "-9007199254740991", "0", '"\\u001f"', '"\\n"', '{"10":1,"9":2}', '[":1.5"]'])
    t.equal(canonicalText(parse(text)), text);
});

t.test("nesting deeper than the limit is refused however deep it is", async (t) => {
  for (const depth of [33, 1_000, 20_000]) {
    refuses(t, "TOO_DEEP", `${depth} arrays`, () => parse("[".repeat(depth) + "]".repeat(depth)));
    refuses(t, "TOO_DEEP", `${depth} objects`, () =>
      parseCanonical(encodeUtf8(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`), { maxBytes: 1e6, maxDepth: 32 }),
    );
  }
  t.ok(parse("[".repeat(32) + "]".repeat(32)));
});

t.test("a document over the limit of bytes is refused before it is read", async (t) => {
  const text = `"${"a".repeat(65_533)}"`;
  t.equal(canonicalText(parse(text)), text);
  refuses(t, "TOO_LARGE", "65 536 bytes", () => parse(`"${"a".repeat(65_534)}"`));
});

t.test("ill-formed UTF-8 is refused", async (t) => {
  refuses(t, "BAD_ENCODING", "a lone continuation byte", () =>
    parseCanonical(new Uint8Array([0x22, 0x80, 0x22]), limits),
  );
});

t.test("what is not plain JSON is refused, not dropped", async (t) => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  refuses(t, "TOO_DEEP", "a cycle", () => canonicalBytes(cyclic));
  for (const value of [
    undefined,
    { a: undefined },
    [undefined],
    new Map(),
    new Uint8Array(2),
    new Date(0),
    10n,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    0.1,
    2 ** 53,
    "\ud800",
    () => 1,
    Symbol.iterator,
  ])
    refuses(t, "NOT_CANONICAL", Object.prototype.toString.call(value), () => canonicalBytes(value));
  t.equal(decodeUtf8(canonicalBytes({ b: "ü", a: [null, true, -1] })), '{"a":[null,true,-1],"b":"ü"}');
});
