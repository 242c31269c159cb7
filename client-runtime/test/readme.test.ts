import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { clientErrors } from "../src/index.js";
import { TestCoordinator } from "./coordinator/test-coordinator.js";

const folder: string = fileURLToPath(new URL("../..", import.meta.url));
const readme: string = readFileSync(`${folder}/README.md`, "utf8");

function section(heading: string): string {
  const rest = readme.slice(readme.indexOf(`\n## ${heading}\n`) + heading.length + 4);
  const end = rest.indexOf("\n## ");
  return end < 0 ? rest : rest.slice(0, end);
}

function run(code: string, address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
      cwd: folder,
      env: { ...process.env, COORDINATOR: address },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let printed = "";
    child.stdout.on("data", (text) => {
      printed += text;
    });
    child.on("error", reject);
    child.on("close", () => resolve(printed));
  });
}

t.test("the README's example takes part in a round and prints what it says", async (t) => {
  const coordinator = await TestCoordinator.start({ rounds: [{ trainer: "biased-factorisation", length: 8 }] });
  t.teardown(() => coordinator.close());
  const [, code = ""] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  const lines = (await run(code, coordinator.address)).trimEnd().split("\n");
  t.same(
    lines.filter((line) => line !== "waiting"),
    ["training", "training", "masked", "accepted", "released", "1 2"],
  );
  t.match(code, "// 1 2");
  t.same(coordinator.consents(), ["consent.given", "consent.withdrawn"]);
});

t.test("the README's table of errors is the one in the code", async (t) => {
  const rows = [...section("Errors").matchAll(/^\| `([A-Z_]+)` +\| (.+?) +\|$/gm)];
  t.strictSame(
    rows.map(([, code, meaning]) => [code, meaning]),
    Object.entries(clientErrors),
  );
});

t.test("the README names every public name and no other", async (t) => {
  const exported = [
    "index.ts",
    "index.node.ts",
    "index.browser.ts",
    "worker/index.ts",
    "trainers/tensorflow/index.ts",
    "engine/index.ts",
    "personalisation/index.ts",
    "analytics/index.ts",
  ].flatMap((file) => {
    const source = readFileSync(`${folder}/src/${file}`, "utf8");
    return [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names = ""]) =>
      names.split(",").map((name) => name.trim().replace(/^type /, "")),
    );
  });
  const entries = ["transport/grpc.node.ts", "transport/connect.ts"].flatMap((file) => [
    ...readFileSync(`${folder}/src/${file}`, "utf8").matchAll(/^export \w+ (\w+)/gm),
  ]);
  const named = [...section("Public names").matchAll(/`([A-Za-z0-9]+)`/g)].map(([, name = ""]) => name);
  const due = [...exported.filter((name) => name !== ""), ...entries.map(([, name = ""]) => name)];
  t.strictSame(named.toSorted(), due.toSorted());
});
