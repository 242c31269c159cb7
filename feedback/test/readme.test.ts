import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { feedbackErrors } from "../src/index.js";

const folder = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(`${folder}/README.md`, "utf8");

function section(heading: string): string {
  const [, rest = ""] = readme.split(`\n## ${heading}\n`);
  return rest.split("\n## ")[0] ?? "";
}

t.test("the README's example runs and prints what it says", async (t) => {
  const [, code = ""] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", code], { cwd: folder });
  const promised = [...code.matchAll(/console\.log.*; \/\/ (.*)$/gm)].map(([, line]) => line);
  t.equal(promised.length, 2);
  t.same(printed.toString().trimEnd().split("\n"), promised);
});

t.test("the README's table of errors is the one in the code", async (t) => {
  const rows = [...section("Errors").matchAll(/^\| `([A-Z_]+)` +\| (.+?) +\|$/gm)];
  t.strictSame(
    rows.map(([, code, meaning]) => [code, meaning]),
    Object.entries(feedbackErrors),
  );
});

t.test("the README names every public name and no other", async (t) => {
  const exported = ["index.ts", "templates/index.ts", "triggers/index.ts", "delivery/toast/index.ts"].flatMap(
    (file) => {
      const source = readFileSync(`${folder}/src/${file}`, "utf8");
      return [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names = ""]) =>
        names.split(",").map((name) => name.trim().replace(/^type /, "")),
      );
    },
  );
  const providers = ["openfeature/web.ts", "openfeature/server.ts"].flatMap((file) =>
    [...readFileSync(`${folder}/src/${file}`, "utf8").matchAll(/^export function (\w+)/gm)].map(
      ([, name = ""]) => name,
    ),
  );
  const named = [...section("Public names").matchAll(/`([A-Za-z0-9_]+)`/g)].map(([, name = ""]) => name);
  t.strictSame(named.toSorted(), [...exported.filter((name) => name !== ""), ...providers].toSorted());
});
