import fc from "fast-check";
import t from "tap";
import { cohortBlob, encodeUtf8, formatEpsilon, parseCohort, parseEpsilon, roundUpEpsilon } from "../../src/index.js";
import { testDevice } from "../author.js";
import { refuses } from "../refusals.js";

t.test("an ε rounds up to a millionth, never down, and by less than a millionth", async () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (value) => {
      const rounded = roundUpEpsilon(value);
      return rounded >= value && rounded - value < 1.001e-6 && roundUpEpsilon(rounded) === rounded;
    }),
    { seed: 5, numRuns: 2_000 },
  );
});

t.test("an ε without bound is written as a word", async (t) => {
  t.equal(formatEpsilon(Number.POSITIVE_INFINITY), "unbounded");
  t.equal(parseEpsilon("unbounded"), Number.POSITIVE_INFINITY);
  t.equal(formatEpsilon(2.4), "2.4");
  t.equal(roundUpEpsilon(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  for (const bad of [Number.NaN, -1]) refuses(t, "BAD_ENCODING", String(bad), () => formatEpsilon(bad));
});

t.test("a cohort blob is sorted, and unsorted or repeated members are refused", async (t) => {
  const member = (number: number) => ({
    subject: testDevice(number).subject,
    consent: number,
    join: `${"A".repeat(85)}A`,
    maskKey: null,
  });
  const blob = cohortBlob([member(3), member(1), member(2)]);
  const subjects = parseCohort(blob).map(({ subject }) => subject);
  t.strictSame(subjects, subjects.toSorted());
  refuses(t, "BAD_ENTRY", "twice the same", () => cohortBlob([member(1), member(1)]));
  const [first, second] = [...parseCohort(blob)];
  refuses(t, "BAD_ENTRY", "in another order", () =>
    parseCohort(encodeUtf8(JSON.stringify([second, first].map(sorted)))),
  );
  refuses(t, "NOT_CANONICAL", "not JSON", () => parseCohort(encodeUtf8("[")));
  refuses(t, "BAD_ENTRY", "not a list", () => parseCohort(encodeUtf8("{}")));
});

function sorted(value: object | undefined): object {
  return Object.fromEntries(Object.entries(value ?? {}).sort(([left], [right]) => (left < right ? -1 : 1)));
}
