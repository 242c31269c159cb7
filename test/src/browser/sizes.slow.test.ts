import { readFileSync } from "node:fs";
import t from "tap";
import { DOCUMENT, sizeRows } from "./sizes.js";

/** What a page may cost that only shows and asks: kB. */
const MOST_IN_PAGE = 5;
/** What a participant may cost before the first round is offered, without TensorFlow.js and libsodium: kB. */
const MOST_IN_CORE = 45;
/** What capturing events may cost, with all it brings along: kB. */
const MOST_FOR_CAPTURE = 15;
/** A row may be off by this part, or by what rounding does, before `npm run sizes` is due. */
const TOLERANCE = 0.03;
const ROUNDING = 0.1;

t.test("the table of bundle sizes is what Vite makes now", async (t) => {
  const [, body = ""] = /<!-- table: bundle sizes -->\n((?:\|.*\n)+)/.exec(readFileSync(DOCUMENT, "utf8")) ?? [];
  const written = [...body.matchAll(/^\| (.+) \| ([\d.]+) \|$/gm)].map(
    ([, name, size]) => [name, Number(size)] as const,
  );
  const now = await sizeRows();
  t.same(
    written.map(([name]) => name),
    now.map(([name]) => name),
  );
  for (const [i, [name, size]] of now.entries()) {
    const there = written[i]?.[1] ?? 0;
    t.ok(
      Math.abs(there - size) <= Math.max(TOLERANCE * size, ROUNDING + 1e-9),
      `${name}: ${size} kB, the table has ${there}; npm run sizes`,
    );
  }
  t.ok((now[0]?.[1] ?? 0) <= MOST_IN_PAGE, "the page's own thread loads next to nothing");
  const kilobytesOf = (start: string): number =>
    now.find(([name]) => name.startsWith(start))?.[1] ?? Number.POSITIVE_INFINITY;
  t.ok(kilobytesOf("the worker's core") <= MOST_IN_CORE, "the core is small");
  t.ok(kilobytesOf("the core of feedback") <= MOST_FOR_CAPTURE, "capturing events costs little");
});
