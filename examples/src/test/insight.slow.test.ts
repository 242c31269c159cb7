/** A histogram and an A/B test end to end: a coordinator process, twelve people, masks and noise, and the auditor. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { answer, type Kept } from "../answer.js";
import { audit } from "../audit.js";
import { environment, repository, run, temporaryFolder } from "./surroundings.js";

const insight = join(repository, "examples", "insight");

/** Half of the people saw each message; the long one brought most of its readers back. */
function keptBy(person: number): Kept {
  const isLong = person % 2 === 1;
  return {
    sessions: Array.from({ length: 3 }, (_, i) => ({ minutes: 5 + 10 * (person % 3) + i })),
    messages: [{ arm: isLong ? "long" : "short", returned: isLong && person > 1 }],
  };
}

t.test("an operator asks two questions, twelve people answer, and an auditor finds the ε that it cost", async (t) => {
  const folder = temporaryFolder(t);
  const env = environment(folder);
  const bundle = join(folder, "audit-bundle.jsonl");
  const said = t.capture(console, "log").args;
  const operator = run("sh", ["operator.sh", bundle], { cwd: insight, env });
  t.teardown(() => operator.stop());
  const address = await operator.address;
  const costs = await Promise.all(
    Array.from({ length: 12 }, (_, person) =>
      answer(address, join(folder, `person-${person}`), new Uint8Array(randomBytes(32)), keptBy(person)),
    ),
  );
  operator.type("\n");
  const { code, output, errors } = await operator.ended;
  t.equal(code, 0, `the operator's commands end well: ${errors}`);
  for (const epsilon of costs) t.ok(epsilon > 4.5 && epsilon <= 5, `a device counts an ε of ${epsilon}`);
  t.ok(said().some(([type, round]) => type === "answered" && round === 2));
  t.match(output, /session-length {6}histogram, 1 round; noise on each sum ±/);
  t.match(output, /learners-insight: session-length \(histogram\), asked for time 1/);
  t.match(output, /0–10 .*95 %:|0–10 .*withheld/);
  t.match(output, /learners-insight: message-test, 1 looks, ε 5 at δ 0.00001/);
  t.match(output, "2 releases, every number the same when computed again");
  const report = await audit(bundle);
  t.same(report.findings, []);
  t.strictSame(report.rounds, { planned: 2, completed: 2, abandoned: 0, open: 0 });
  const [population] = report.populations;
  t.ok(
    population !== undefined && population.epsilon > 4.5 && population.epsilon <= 5,
    `ε ${population?.epsilon}, recomputed`,
  );
});
