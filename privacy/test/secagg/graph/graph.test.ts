import fc from "fast-check";
import t from "tap";
import { maskGraph } from "../../../src/secagg/graph/graph.js";
import { splitIntoGroups } from "../../../src/secagg/graph/groups.js";
import { randomPermutation } from "../../../src/secagg/graph/permutation.js";
import { seededRandom } from "../seeded-random.js";

const HARARY = { type: "harary", corruptFraction: 0.1, dropoutFraction: 0.1, adversary: "semi-honest" } as const;

t.test("in a complete graph everybody masks with everybody and holds a share of its own", async (t) => {
  const graph = maskGraph({ type: "complete" }, 5);
  t.strictSame(graph.neighbours(2), [0, 1, 3, 4]);
  t.strictSame(graph.holders(2), [0, 1, 2, 3, 4]);
  t.equal(graph.degree, 4);
  t.equal(graph.threshold, 4);
});

t.test("a Harary graph is regular, symmetric, and joins the nearest on the ring", async (t) => {
  const graph = maskGraph(HARARY, 200);
  t.equal(graph.degree, 34);
  for (let member = 0; member < 200; member++) {
    const neighbours = graph.neighbours(member);
    t.equal(new Set(neighbours).size, 34);
    t.strictSame(
      neighbours,
      [...neighbours].sort((a, b) => a - b),
    );
    for (const other of neighbours) {
      const distance = Math.min(Math.abs(other - member), 200 - Math.abs(other - member));
      if (distance < 1 || distance > 17 || !graph.neighbours(other).includes(member)) t.fail(`${member}–${other}`);
    }
  }
});

t.test("an infeasible graph is refused", async (t) => {
  t.throws(() => maskGraph(HARARY, 10_000_000), { code: "INFEASIBLE_GRAPH" });
  t.throws(() => maskGraph({ type: "complete" }, 1), { code: "INFEASIBLE_GRAPH" });
});

t.test(
  "a random permutation holds every number once and favours no order (chi-square, false alarm 1e-4)",
  async (t) => {
    const random = seededRandom("permutation");
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const key = randomPermutation(4, random).join("");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    t.equal(counts.size, 24);
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    t.ok(chiSquare < 54.8, `${chiSquare} is above the 1 − 1e-4 quantile for 23 degrees of freedom`);
  },
);

t.test("groups cover the cohort once, are nearly equal, and none is below the minimum", async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 40 }),
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 0, max: 900 }),
      (minimum, more, extra) => {
        const count = minimum + extra;
        const groups = splitIntoGroups(
          count,
          { minimum, target: minimum + more },
          seededRandom(`${minimum} ${more} ${extra}`),
        );
        const sizes = groups.map((group) => group.length);
        const members = groups.flatMap((group) => [...group]).sort((a, b) => a - b);
        return (
          members.length === count &&
          members.every((member, i) => member === i) &&
          Math.min(...sizes) >= minimum &&
          Math.max(...sizes) - Math.min(...sizes) <= 1
        );
      },
    ),
    { seed: 20_201, numRuns: 200 },
  );
  t.throws(() => splitIntoGroups(9, { minimum: 10, target: 20 }, seededRandom(1)), { code: "BAD_PARAMETERS" });
  t.throws(() => splitIntoGroups(90, { minimum: 10, target: 5 }, seededRandom(1)), { code: "BAD_PARAMETERS" });
});
