import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { COORDINATOR_ERROR_CODES } from "@fedloop/coordinator";
import t from "tap";
import { allDocuments, anchors, marked, prose, table, text } from "./documents.js";
import { repository } from "./surroundings.js";

/** Files that documents quote, and the test that runs each. */
const RUN_BY: Readonly<Record<string, string>> = {
  "examples/src/participate.ts": "examples/src/test/people.ts",
  "examples/src/audit.ts": "examples/src/test/three-users.test.ts",
  "examples/browser/worker.ts": "examples/src/test/browser-app.slow.test.ts",
  "examples/src/answer.ts": "examples/src/test/insight.slow.test.ts",
  "examples/films/plan.yaml": "examples/src/test/strategies.test.ts",
  "examples/insight/plan.yaml": "examples/src/test/insight.slow.test.ts",
  "examples/insight/operator.sh": "examples/src/test/insight.slow.test.ts",
  "examples/small/plan.yaml": "examples/src/test/three-users.test.ts",
  "examples/small/fedloop.yaml": "examples/src/test/three-users.test.ts",
  "examples/small/operator.sh": "examples/src/test/three-users.test.ts",
  "examples/small/auditor.sh": "examples/src/test/three-users.test.ts",
};

t.test("every relative link leads to a file, and to a heading where it names one", async (t) => {
  for (const document of allDocuments()) {
    for (const [, target = ""] of prose(text(document)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? document : normalize(join(dirname(document), path));
      t.ok(existsSync(join(repository, file)), `${document} links to ${target}`);
      if (anchor !== undefined && file.endsWith(".md")) {
        t.ok(anchors(text(file)).has(anchor), `${document} links to the heading ${target}`);
      }
    }
  }
});

t.test("every quoted file stands in the document as it is, and is run by a test", async (t) => {
  let quoted = 0;
  for (const document of allDocuments()) {
    for (const { name, code } of marked(text(document), "file")) {
      quoted += 1;
      t.equal(code, text(name), `${document} quotes ${name}`);
      t.ok(existsSync(join(repository, RUN_BY[name] ?? "none")), `${name} is run by a test`);
    }
  }
  t.ok(quoted >= Object.keys(RUN_BY).length, `${quoted} files are quoted`);
});

/** Codes of the object literal below a line of a source file, with their values. */
function entries(path: string, line: string): [string, string][] {
  const source = text(path);
  const start = source.indexOf(line);
  t.ok(start >= 0, `${path} has ${line}`);
  const body = source.slice(start, source.indexOf("\n}", start));
  return [...body.matchAll(/^ {2}([A-Z][A-Z_]+): (?:status\.)?([A-Z_]+|\d+),$/gm)].map(([, code = "", value = ""]) => [
    code,
    value,
  ]);
}

t.test("the protocol's errors are those that the coordinator tells, with their gRPC status", async (t) => {
  const rows = table(text("docs/protocol.md"), "wire errors");
  const told = entries("coordinator/src/rpc/status.ts", "const STATUS");
  t.strictSame(
    rows.map(([code, status]) => [code, status]),
    [...told, ["INTERNAL", "INTERNAL"]],
  );
  for (const [code, , meaning, action] of rows) t.ok(meaning && action, `${code} says what it means and what to do`);
});

t.test("operations explains all other codes of the coordinator, with the exit code of each", async (t) => {
  const wire = table(text("docs/protocol.md"), "wire errors").map(([code]) => code);
  const rows = table(text("docs/operations.md"), "operator errors");
  const exits = new Map(entries("coordinator/src/cli/exit-codes.ts", "const OF_ERROR"));
  t.strictSame(
    [...wire, ...rows.map(([code]) => code)].filter((code, i, all) => all.indexOf(code) === i).sort(),
    [...COORDINATOR_ERROR_CODES].sort(),
  );
  for (const [code = "", exit] of rows) t.equal(exit, exits.get(code) ?? "1", `${code} ends a command with ${exit}`);
  for (const code of exits.keys())
    t.ok(
      rows.some(([row]) => row === code),
      `${code} is there`,
    );
});

t.test("operations names the exit codes of the command", async (t) => {
  const source = text("coordinator/src/cli/exit-codes.ts");
  const body = source.slice(source.indexOf("EXIT_CODES = {"), source.indexOf("} as const"));
  const codes = [...body.matchAll(/^ {2}(\d+): "(.+)",$/gm)].map(([, code, meaning]) => [code, meaning]);
  t.strictSame(table(text("docs/operations.md"), "exit codes"), codes);
});

t.test("the protocol's reasons for abandoned rounds are those of the code", async (t) => {
  const source = text("coordinator/src/rounds/states.ts");
  const [, body = ""] = /ABANDON_REASONS = \[([\s\S]*?)\]/.exec(source) ?? [];
  const reasons = [...body.matchAll(/"([A-Z_]+)"/g)].map(([, reason]) => reason);
  t.strictSame(
    table(text("docs/protocol.md"), "abandon reasons").map(([reason]) => reason),
    reasons,
  );
});

t.test("the states of a round stand in the architecture in their order", async (t) => {
  const [, body = ""] = /enum RoundState \{([\s\S]*?)\n\}/.exec(text("proto/fedloop/v1/rounds.proto")) ?? [];
  const named = [...body.matchAll(/^ *ROUND_STATE_([A-Z]+) = \d+;/gm)].map(([, state = ""]) => state.toLowerCase());
  const states = named.filter((state) => state !== "unspecified");
  t.strictSame(
    table(text("docs/architecture.md"), "round states").map(([state]) => state),
    states,
  );
});
