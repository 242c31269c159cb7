/** docs/operations.md against the readers of plans and configurations: every key, and every default. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CoordinatorError, parseConfig, parsePlan } from "@fedloop/coordinator";
import t from "tap";
import { block, table, text } from "./documents.js";
import { run, temporaryFolder, terminal } from "./surroundings.js";

const operations = text("docs/operations.md");

const SHORTEST_PLAN = `
population: lecturers
controller: Example University
purpose: lecture-recommendations
notice: { file: notice.md }
language: en
dataCategories: [lecture ratings]
model: { parameters: 1129 }
trainer: { id: biased-factorisation }
rounds: 4
cohort: { target: 1000 }
evaluation: {}
`;

const SHORTEST_CONFIG = "origin: coordinator.example.org/lecturers\nplans: [plan.yaml]\n";

/** A key that is near to none, so that a reader names all that it knows. */
const STRANGER = "zzzzzzzzzzzzzzzzzzzz";

type Read = (yaml: string) => unknown;

/** The keys that a reader knows in a section, by what it says about one that it does not know. */
async function knownKeys(read: Read, section: string): Promise<string[]> {
  const keys = section === "" ? [STRANGER] : [...section.split("."), STRANGER];
  const yaml = keys.reduceRight((inner, key) => `{ ${key}: ${inner} }`, "1");
  try {
    await read(yaml);
  } catch (cause) {
    if (!(cause instanceof CoordinatorError)) throw cause;
    const [, known = ""] =
      new RegExp(`${STRANGER}: expected one of the keys (.+?), came another`).exec(cause.message) ?? [];
    return known.split(", ").filter((key) => key !== "");
  }
  return [];
}

/** All keys, those of sections with the section's name before them. Items of lists are asked as sections of their own. */
async function allKeys(read: Read, section = ""): Promise<string[]> {
  const found: string[] = [];
  for (const key of await knownKeys(read, section)) {
    const path = section === "" ? key : `${section}.${key}`;
    const inner = await allKeys(read, path);
    found.push(...(inner.length > 0 ? inner : [path]));
  }
  return found;
}

t.test("the plan of defaults is what the shortest plan stands for, and every key is explained", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "notice.md"), "Your ratings stay with you.");
  const read = async (yaml: string) => (await parsePlan("plan.yaml", yaml, folder)).plan;
  const shortest = await read(SHORTEST_PLAN);
  const written = block(operations, "defaults", "plan");
  t.strictSame(await read(written), shortest);
  writeFileSync(join(folder, "plan.yaml"), written);
  const validated = run("fedloop", ["plan", "validate", "plan.yaml"], { cwd: folder, env: terminal(folder) });
  t.equal((await validated.ended).code, 0, "it can be run");
  t.strictSame(
    table(operations, "plan")
      .map(([key]) => key)
      .sort(),
    (await allKeys(read)).sort(),
  );
});

t.test("the configuration of defaults is what the shortest one stands for, and every key is explained", async (t) => {
  const read = (yaml: string) => parseConfig("fedloop.yaml", yaml, "/", {});
  t.strictSame(read(block(operations, "defaults", "fedloop.yaml")), read(SHORTEST_CONFIG));
  // Sections that stand in lists are asked for as the one item of such a list.
  const lists = ["enrolment.tokens", "webhooks", "witnesses.members"];
  const listed = (name: string) => (yaml: string) =>
    read(yaml.replace(`${name}: {`, `${name}: [{`).replace(/1 \}((?: \})+)$/, "1 }]$1"));
  const keys = (await allKeys(read)).filter((key) => !lists.includes(key));
  for (const list of lists) keys.push(...(await allKeys(listed(list.split(".").at(-1) ?? ""), list)));
  t.strictSame(
    table(operations, "fedloop.yaml")
      .map(([key]) => key)
      .sort(),
    keys.sort(),
  );
});
