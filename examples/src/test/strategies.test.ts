/** docs/strategies.md against plans: what each strategy goes with is what the reader of plans says. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CoordinatorError, parsePlan } from "@fedloop/coordinator";
import { STRATEGY_IDS } from "@fedloop/coordinator/simulation";
import t from "tap";
import { table, text } from "./documents.js";
import { repository, temporaryFolder } from "./surroundings.js";

const BASE = `
population: clothes
controller: Example Shop
purpose: clothes-recognition
notice: { file: notice.md }
language: en
dataCategories: [pictures]
model: { tensors: { w: [32, 10], c: [32, 10] } }
trainer: { id: clothes }
rounds: 4
cohort: { target: 100 }
`;

const MASKED = "secureAggregation: { enabled: true, groupTarget: 20 }\n";
const UNMASKED = "secureAggregation: { enabled: false, reason: a test }\n";
const FTRL = "privacy: { mechanism: dp-ftrl, factorisation: { minSeparation: 2 } }\n";
const NONE = "privacy: { mechanism: none, reason: a test }\n";

/** The table's columns, in their order. */
const COLUMNS = [MASKED, `${MASKED}${FTRL}`, UNMASKED, `${UNMASKED}${NONE}`];

t.test("what each strategy goes with stands in the table, and nothing else", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "notice.md"), "Your pictures stay with you.");
  const rows = table(text("docs/strategies.md"), "strategies");
  const families = Object.entries(STRATEGY_IDS).flatMap(([family, ids]) => ids.map((id) => [id, family]));
  t.same(rows.map(([id, family]) => [id, family]).sort(), families.sort());
  for (const [id = "", , ...told] of rows) {
    for (const [i, column] of COLUMNS.entries()) {
      const accepted = await parsePlan("plan.yaml", `${BASE}${column}strategy: { id: ${id} }\n`, folder).then(
        () => "yes",
        (cause: unknown) => {
          if (cause instanceof CoordinatorError && cause.code === "BAD_PLAN") return "no";
          throw cause;
        },
      );
      t.equal(told[i], accepted, `${id}, ${column.trim().replaceAll("\n", ", ")}`);
    }
  }
});

t.test("the plan of a recommender is one that devices with its trainer can follow", async (t) => {
  const { plan } = await parsePlan("plan.yaml", text("examples/films/plan.yaml"), join(repository, "examples/films"));
  t.match(plan, {
    model: { parameters: 3706 * 16 },
    privacy: { mechanism: "distributed-discrete-gaussian", clipNorm: 1 },
    evaluation: { metric: "ranking", length: 3 },
  });
});
