/** The three examples of the README, as one story: an operator runs rounds, people take part, an auditor checks. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { audit } from "../audit.js";
import { block, text } from "./documents.js";
import { crowd } from "./people.js";
import { environment, repository, run, small, temporaryFolder } from "./surroundings.js";

t.test("an operator runs a plan, twelve people take part, and an auditor checks what happened", async (t) => {
  const folder = temporaryFolder(t);
  const env = environment(folder);
  const bundle = join(folder, "audit-bundle.jsonl");
  const said = t.capture(console, "log").args;

  const operator = run("sh", ["operator.sh", bundle], { cwd: small, env });
  t.teardown(() => operator.stop());
  const costs = await crowd(await operator.address, folder, 12);
  operator.type("\n");
  const { code, output, errors } = await operator.ended;

  t.equal(code, 0, `the operator's commands end well: ${errors}`);
  t.equal(costs.length, 12);
  for (const epsilon of costs) t.ok(epsilon > 3.9 && epsilon <= 4, `a device counts an ε of ${epsilon}`);
  t.match(output, "plan.yaml: fine");
  t.match(output, "lecturers-small: 12 devices, 3 of 3 rounds closed, 0 abandoned");
  t.match(output, "ε 4 of 4 spent at δ = 0.00001");
  t.match(output, /rmse \d/);
  t.ok(said().some(([type, round]) => type === "accepted" && round === 3));

  await t.test("with the command", async (t) => {
    const auditor = run("sh", [join(repository, "examples", "small", "auditor.sh"), bundle], { cwd: folder, env });
    const { code, output } = await auditor.ended;
    t.equal(code, 0);
    const [before = "", after = ""] = output.split("the bundle holds\n");
    t.match(before, "VERIFIED");
    t.match(after, /FAILED {7}\d+ findings/);
    t.match(after, /ENTRY_MALFORMED {2}entry \d+:/);
    t.match(after, "the changed bundle fails");
  });

  await t.test("with the verifier key that the operator published", async (t) => {
    const [, vkey = ""] = /"verifierKey":"([^"]+)"/.exec(errors) ?? [];
    const written = block(text("docs/operations.md"), "json", "trust");
    const verify = async (name: string, trust: string): Promise<number | null> => {
      writeFileSync(join(folder, name), trust);
      return (await run("fedloop-audit", ["verify", bundle, "--trust", name], { cwd: folder, env }).ended).code;
    };
    t.equal(await verify("trust.json", written.replace("VERIFIER KEY", vkey)), 0);
    t.equal(await verify("other.json", written.replace("lecturers-small", "another").replace("VERIFIER KEY", vkey)), 1);
  });

  await t.test("in TypeScript", async (t) => {
    const report = await audit(bundle);
    t.equal(report.ok, true);
    t.strictSame(report.rounds, { planned: 3, completed: 3, abandoned: 0, open: 0 });
    const [population] = report.populations;
    t.ok(population !== undefined && population.epsilon <= population.cap);
    const flipped = await audit(bundle, 4_000);
    t.equal(flipped.ok, false);
    t.ok(
      flipped.findings.some(({ where, index }) => where === "entry" && index !== null),
      "the entry is named",
    );
  });
});
