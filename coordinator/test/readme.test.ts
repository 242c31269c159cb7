import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { EXIT_CODES } from "../src/cli/exit-codes.js";
import { parseConfig } from "../src/config/config.js";
import { COORDINATOR_ERROR_CODES } from "../src/errors.js";
import { parsePlan } from "../src/plan/load.js";
import { temporaryFolder } from "./temporary-folder.js";

const folder = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(folder, "README.md"), "utf8");

function section(heading: string): string {
  const start = readme.indexOf(`\n${heading}\n`);
  t.ok(start >= 0, `there is a section ${heading}`);
  const rest = readme.slice(start + heading.length + 2);
  const end = rest.search(/^##? /m);
  return end < 0 ? rest : rest.slice(0, end);
}

/** First and second cell of each row whose first cell is code. */
function rows(text: string): [string, string][] {
  return [...text.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)].map(([, left = "", right = ""]) => [left, right]);
}

function example(text: string, language: string): string {
  return new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? "";
}

t.test("the README's example runs and prints what it says", async (t) => {
  const code = example(readme, "js");
  const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", code], { cwd: folder });
  t.equal(printed.toString(), "0 coordinator.example.org/lecturers\n");
  t.match(code, "// 0 coordinator.example.org/lecturers");
});

t.test("the README's exit codes are those of the command", async (t) => {
  t.strictSame(rows(section("### Exit codes")), Object.entries(EXIT_CODES));
});

t.test("the README explains every error code and no other, in the order of the code", async (t) => {
  t.strictSame(
    rows(section("## Errors")).map(([code]) => code),
    [...COORDINATOR_ERROR_CODES],
  );
});

t.test("the README's configuration and plan are read as they stand", async (t) => {
  const config = parseConfig("README", example(section("## fedloop.yaml"), "yaml"), "/", {});
  t.equal(config.enrolment.type, "token");
  const notices = temporaryFolder(t);
  writeFileSync(join(notices, "notice.md"), "Your ratings stay with you.");
  const { plan } = await parsePlan("README", example(section("## A plan"), "yaml"), notices);
  t.equal(plan.model.parameters, 1128);
});

t.test("the README names every public name and no other", async (t) => {
  const source = readFileSync(join(folder, "src", "index.ts"), "utf8");
  const exported = [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)]
    .flatMap(([, names = ""]) => names.split(","))
    .map((name) => name.trim().replace(/^type /, ""))
    .filter((name) => name !== "");
  const named = [...section("## Public names").matchAll(/`([A-Za-z0-9_]+)`/g)].map(([, name = ""]) => name);
  t.strictSame(named.toSorted(), exported.toSorted());
});
