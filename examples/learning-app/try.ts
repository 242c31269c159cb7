// The whole story by hand: node examples/dist/learning-app/try.js. Opens nothing; says what to open.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setStage } from "./stage.js";

/** As many as the plans ask for: you, and the crowd. */
const PEOPLE = 40;
const fedloop = fileURLToPath(new URL("../../../coordinator/bin/fedloop.js", import.meta.url));

const ends: (() => unknown)[] = [];
const folder = mkdtempSync(join(tmpdir(), "fedloop-learning-"));
ends.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
const end = async (code: number): Promise<never> => {
  for (const each of ends.reverse()) await each();
  process.exit(code);
};
process.once("SIGINT", () => void end(0));
process.once("SIGTERM", () => void end(0));

console.log("Building the pages, starting the coordinator …");
const ending = { teardown: (each: () => unknown) => void ends.push(each) };
const quietHours = { from: "23:00", to: "06:00" };
const stage = await setStage(ending, { folder, people: PEOPLE, quietHours }).catch(async (cause: unknown) => {
  console.error(cause instanceof Error ? cause.message : cause);
  return end(1);
});
const { origin, coordinator, config } = stage;
const args = [fedloop, "--config", config, "tokens", "create", "--role", "viewer", "--name", "team", "--json"];
const { token } = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
console.log(`
1. You, a learner      ${origin}/
   Consent twice, then answer: right, wrong, right …
2. The others          ${origin}/?people=${PEOPLE - 1}
   In a window of its own that stays in sight. When both pages say "trained", a wrong answer brings you a message.
3. The report          press its button in both pages, and wait for "reported".
4. The product team    ${coordinator}/dashboard/#learners-quality/releases
   Token: ${token}

Ctrl-C ends it all, and nothing is kept.`);
