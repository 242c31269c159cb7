import { readFileSync } from "node:fs";
import t from "tap";
import { ABANDON_REASONS, SECAGG_ERROR_CODES } from "../../src/secagg/errors.js";
import { hararyDegree } from "../../src/secagg/graph/degree.js";

const page = readFileSync(new URL("../../../../docs/secure-aggregation.md", import.meta.url), "utf8");

/** First cells of the table under a heading or sentence, without back quotes. */
function firstCells(after: string): string[] {
  const [, rest = ""] = page.split(after);
  const table = rest.slice(rest.indexOf("\n|")).split("\n\n")[0] ?? "";
  return [...table.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code ?? "");
}

t.test("the page lists every error code, and no other", async (t) => {
  t.strictSame(firstCells("## Error codes"), [...SECAGG_ERROR_CODES]);
});

t.test("the page lists every reason to abandon a round, and no other", async (t) => {
  t.strictSame(firstCells("says why (`reason`"), [...ABANDON_REASONS]);
});

t.test("degrees and thresholds in the page are those that are computed", async (t) => {
  const rows = [...page.matchAll(/^\| ([\d ]+) \| (\d+) %, (\d+) % \| (\d+), (\d+) \| (\d+), (\d+) \|$/gm)];
  t.equal(rows.length, 4);
  for (const [, members, corrupt, dropout, ...expected] of rows) {
    const fractions = { corruptFraction: Number(corrupt) / 100, dropoutFraction: Number(dropout) / 100 };
    const computed = (["semi-honest", "semi-malicious"] as const).flatMap((adversary) => {
      const count = Number(members?.replaceAll(" ", ""));
      const { degree, threshold } = hararyDegree(count, { type: "harary", ...fractions, adversary });
      return [degree, threshold];
    });
    t.strictSame(expected.map(Number), computed, `${members} members`);
  }
});

t.test("the page's example runs, and prints what it says", async (t) => {
  const example = /```ts\n(.*?)```/s.exec(page)?.[1] ?? "";
  const modules: Readonly<Record<string, string>> = {
    "@fedloop/consent/node": "./ed25519.js",
    "@fedloop/privacy": "../../src/random/source.js",
    "@fedloop/privacy/secagg": "../../src/secagg/index.js",
    "@fedloop/privacy/secagg/node": "../../src/secagg/index.node.js",
  };
  const runnable = example
    .replaceAll(
      /from "(@fedloop[^"]*)"/g,
      (_, name: string) => `from "${new URL(modules[name] ?? name, import.meta.url)}"`,
    )
    .replace("console.log(result.type, result.sum);", "export { result };");
  t.match(runnable, /export \{ result \}; \/\/ finished Int32Array \[ 3, -3, 300 \]/);
  const { result } = await import(`data:text/javascript,${encodeURIComponent(runnable)}`);
  t.equal(result.type, "finished");
  t.strictSame([...result.sum], [3, -3, 300]);
});
