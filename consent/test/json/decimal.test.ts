import fc from "fast-check";
import t from "tap";
import { formatDecimal, parseDecimal } from "../../src/index.js";
import { refuses } from "../refusals.js";

t.test("every finite double comes back from its decimal string", async () => {
  fc.assert(
    fc.property(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      (value) => parseDecimal(formatDecimal(value)) === value,
    ),
    { seed: 3, numRuns: 1_000 },
  );
});

t.test("decimal strings are the shortest ones", async (t) => {
  t.equal(formatDecimal(2.4), "2.4");
  t.equal(formatDecimal(1e-5), "0.00001");
  t.equal(formatDecimal(1e-7), "1e-7");
  t.equal(formatDecimal(1e21), "1e+21");
  t.equal(formatDecimal(-0), "0");
  t.equal(formatDecimal(4), "4");
});

t.test("any other spelling is refused", async (t) => {
  for (const text of [
    "",
    " ",
    "1.0",
    "+1",
    "01",
    ".5",
    "5.",
    "1e3",
    "1E-7",
    "-0",
    "0x10",
    "NaN",
    "Infinity",
    "1e400",
    "1_0",
    " 1",
    "1\n",
    "٣",
  ])
    refuses(t, "BAD_ENCODING", JSON.stringify(text), () => parseDecimal(text));
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    refuses(t, "BAD_ENCODING", String(value), () => formatDecimal(value));
});
