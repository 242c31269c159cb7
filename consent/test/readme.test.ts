import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { findingMeanings, ledgerErrors } from "../src/index.js";

const folder = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(`${folder}/README.md`, "utf8");

/** Rows of the first table after a heading, as pairs of cells. */
function tableAfter(text: string, heading: string): [string, string][] {
  const start = text.indexOf(heading);
  const rows = text.slice(start).matchAll(/^\| `([^`]+)` +\| (.+?) +\|$/gm);
  return [...rows].map(([, left = "", right = ""]) => [left, right]);
}

t.test("the README's example runs and prints what it says", async (t) => {
  const [, code = ""] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", code], { cwd: folder });
  t.equal(printed.toString(), "true false\n");
  t.match(code, "// true false");
});

t.test("the README's table of errors is the one in the code", async (t) => {
  t.strictSame(tableAfter(readme, "## Errors"), Object.entries(ledgerErrors));
});

t.test("the page of findings is what explain prints", async (t) => {
  const page = readFileSync(`${folder}/docs/findings.md`, "utf8");
  t.strictSame(tableAfter(page, "# Findings"), Object.entries(findingMeanings));
});

t.test("the README names every public name and no other", async (t) => {
  const exported = ["index.ts", "index.node.ts"].flatMap((file) => {
    const source = readFileSync(`${folder}/src/${file}`, "utf8");
    return [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names = ""]) =>
      names.split(",").map((name) => name.trim().replace(/^type /, "")),
    );
  });
  const section = readme.slice(readme.indexOf("## Public names"), readme.indexOf("## Errors"));
  const named = [...section.matchAll(/`([A-Za-z0-9]+)`/g)].map(([, name = ""]) => name);
  t.strictSame(named.toSorted(), exported.filter((name) => name !== "").toSorted());
});
