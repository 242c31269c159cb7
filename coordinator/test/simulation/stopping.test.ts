import { existsSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { demoJob } from "../../src/simulation/demo.js";
import { runFederation } from "../../src/simulation/federation.js";
import { Progress } from "../../src/simulation/progress.js";

/** Says nothing, and asks for an end when a step begins. */
class StopAt extends Progress {
  readonly steps: string[] = [];
  readonly #words: string;
  readonly #stopping: AbortController;

  constructor(words: string, stopping: AbortController) {
    super({ quiet: true });
    this.#words = words;
    this.#stopping = stopping;
  }

  override step(text: string): void {
    this.steps.push(text);
    if (text.includes(this.#words)) this.#stopping.abort();
  }
}

t.test("a federation that is stopped before it began leaves an earlier run alone", async (t) => {
  const out = join(t.testdir(), "out");
  const job = await demoJob({ participants: 10 });
  const progress = new Progress({ quiet: true });
  const stopped = runFederation({ ...job, out, processes: 1, progress, signal: AbortSignal.abort() });
  await t.rejects(stopped, { code: "CANCELLED" });
  t.notOk(existsSync(out));
});

t.test("a federation that is stopped before its participants come asks none of them", async (t) => {
  const out = t.testdir({ "plan.yaml": "an earlier run's" });
  const stopping = new AbortController();
  const progress = new StopAt("enroll", stopping);
  const job = await demoJob({ participants: 10 });
  await t.rejects(runFederation({ ...job, out, processes: 1, progress, signal: stopping.signal }), {
    code: "CANCELLED",
  });
  t.match(progress.steps, [/an earlier run .* is replaced/, /10 participants enroll/]);
  t.equal(progress.steps.length, 2);
});
