// docs/operations.md against the commands: a runbook that does not parse is worse than none.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import t from "tap";
import { fedloopProgram } from "../../src/cli/program.js";

const PAGE = readFileSync(fileURLToPath(new URL("../../../../docs/operations.md", import.meta.url)), "utf8");

function program(): Command {
  const around = {
    environment: {},
    signal: new AbortController().signal,
    input: () => process.stdin,
    print: () => undefined,
    complain: () => undefined,
  };
  return fedloopProgram(around, () => undefined);
}

/** Every command line of the page that begins with fedloop, in blocks and in lines of text. */
function commandLines(): string[] {
  const blocks = [...PAGE.matchAll(/```(?:sh)?\n([\s\S]*?)```/g)].flatMap(([, block = ""]) => block.split("\n"));
  const spans = [...PAGE.matchAll(/`(fedloop [^`]+)`/g)].map(([, span = ""]) => span);
  return [...blocks, ...spans]
    .map((line) => /(?:^|\|\s*)fedloop (.*)$/.exec(line.trim())?.[1])
    .filter((line) => line !== undefined)
    .map((line) =>
      line
        .replace(/\s+#.*$/, "")
        .replace(/\s*[|&;>].*$/, "")
        .trim(),
    );
}

/** Why a command line would be refused; undefined when it parses. */
function refusal(line: string): string | undefined {
  const words = line.match(/'[^']*'|"[^"]*"|\S+/g) ?? [];
  const root = program();
  let command = root;
  let at = 0;
  for (; at < words.length; at++) {
    const inner = command.commands.find((it) => it.name() === words[at]);
    if (inner === undefined) break;
    command = inner;
  }
  if (command === root) return `there is no command ${words[0]}`;
  let given = 0;
  for (; at < words.length; at++) {
    const word = words[at] ?? "";
    if (!word.startsWith("--")) {
      given += 1;
      continue;
    }
    const option = [...command.options, ...root.options].find(({ long }) => long === word);
    if (option === undefined) return `${command.name()} has no option ${word}`;
    if (option.required && (words[at + 1] ?? "--").startsWith("--")) return `${word} takes a value`;
    if (option.required || option.optional) at += 1;
  }
  const most = command.registeredArguments.some(({ variadic }) => variadic)
    ? Number.POSITIVE_INFINITY
    : command.registeredArguments.length;
  if (given > most) return `${command.name()} takes ${most} arguments, not ${given}`;
  return undefined;
}

t.test(
  "every fedloop command of the operators' page is one that there is, with options and arguments that it takes",
  (t) => {
    const lines = new Set(commandLines());
    t.ok(lines.size >= 25, `${lines.size} commands`);
    for (const line of lines) t.equal(refusal(line), undefined, `fedloop ${line}`);
    t.end();
  },
);

t.test("every line that a coordinator, an aggregator or a witness logs is explained", (t) => {
  const [, table = ""] = /## Reading logs\n([\s\S]*?)\n## /.exec(PAGE) ?? [];
  const sources = ["serve.ts", "witness.ts"].map((name) =>
    readFileSync(fileURLToPath(new URL(`../../../src/server/${name}`, import.meta.url)), "utf8"),
  );
  const logged = [...sources.join("").matchAll(/\blog(?:\.\w+|\[level\])\(.*?, (["`])(.*?)\1\)/g)].map(
    ([, , msg = ""]) => msg,
  );
  t.ok(logged.length >= 15, `${logged.length} lines are logged`);
  // What is put together ends where its variable part begins.
  for (const msg of logged) t.ok(table.includes(`\`${msg.replace(/\$\{.*/, "")}`), msg);
  t.end();
});

t.test("a command that there is not, or that takes something else, would be found", (t) => {
  t.match(refusal("sell --all"), /no command sell/);
  t.match(refusal("models promote a 1 --percent 5"), /no option --percent/);
  t.match(refusal("models promote a 1 2"), /takes 2 arguments/);
  t.match(refusal("backup --out"), /takes a value/);
  t.end();
});
