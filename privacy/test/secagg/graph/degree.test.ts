import t from "tap";
import * as z from "zod";
import { completeThreshold, hararyDegree } from "../../../src/secagg/graph/degree.js";
import { sharedVectors } from "../shared-vectors.js";

const rowSchema = z.object({
  n: z.number(),
  adversarial_rate: z.number(),
  dropout_rate: z.number(),
  adversary: z.string(),
  degree: z.number(),
  threshold: z.number(),
});
const vectorsSchema = z.object({ published: z.array(rowSchema), computed: z.array(rowSchema) });
type Row = z.infer<typeof rowSchema>;

function policyOf(row: Row): Parameters<typeof hararyDegree>[1] {
  const adversary =
    row.adversary === "SEMI_MALICIOUS_SERVER" ? "semi-malicious" : row.adversary === "NONE" ? "none" : "semi-honest";
  return { type: "harary", corruptFraction: row.adversarial_rate, dropoutFraction: row.dropout_rate, adversary };
}

const vectors = sharedVectors("secagg-graph.json");

for (const kind of ["published", "computed"] as const) {
  t.test(
    `degree and threshold equal every ${kind} row`,
    { skip: vectors === undefined && "vectors folder absent" },
    async (t) => {
      for (const row of vectorsSchema.parse(vectors)[kind]) {
        const name = `n=${row.n} corrupt=${row.adversarial_rate} dropout=${row.dropout_rate} ${row.adversary}`;
        t.strictSame(hararyDegree(row.n, policyOf(row)), { degree: row.degree, threshold: row.threshold }, name);
      }
    },
  );
}

t.test(
  "degree and threshold equal three published values (google/federated-compute, graph_parameter_finder_test.cc)",
  async (t) => {
    const rates = { type: "harary", corruptFraction: 0.05, dropoutFraction: 0.05 } as const;
    t.strictSame(hararyDegree(1000, { ...rates, adversary: "semi-honest" }), { degree: 30, threshold: 17 });
    t.strictSame(hararyDegree(1000, { ...rates, adversary: "semi-malicious" }), { degree: 52, threshold: 37 });
    t.strictSame(hararyDegree(100_000, { ...rates, adversary: "semi-malicious" }), { degree: 68, threshold: 48 });
  },
);

t.test("what is infeasible is refused with the reason", async (t) => {
  const policy = { type: "harary", corruptFraction: 0.1, dropoutFraction: 0.1, adversary: "semi-honest" } as const;
  const refused: readonly [number, Partial<typeof policy> | object, RegExp][] = [
    [100, { corruptFraction: 0.5, dropoutFraction: 0.45 }, /must be at most 0\.9; it is 0\.95/],
    [100, { adversary: "semi-malicious", corruptFraction: 0.3, dropoutFraction: 0.31 }, /2 × dropoutFraction/],
    [100, { adversary: "none" }, /corruptFraction must be 0/],
    [100, { corruptFraction: 1 }, /corruptFraction must be in \[0, 1\)/],
    [100, { dropoutFraction: Number.NaN }, /dropoutFraction must be in \[0, 1\)/],
    [0, {}, /1 to 1000000 devices; asked for 0/],
    [1_000_001, {}, /asked for 1000001/],
    [20, { corruptFraction: 0.45, dropoutFraction: 0.45 }, /Take the complete graph/],
  ];
  for (const [members, change, message] of refused) {
    t.throws(() => hararyDegree(members, { ...policy, ...change }), { code: "INFEASIBLE_GRAPH", message });
  }
});

t.test("the complete graph's threshold is one more than two thirds", async (t) => {
  t.strictSame([3, 4, 10, 20, 50, 99, 100].map(completeThreshold), [3, 3, 7, 14, 34, 67, 67]);
});
