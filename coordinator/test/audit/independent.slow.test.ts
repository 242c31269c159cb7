// The bundle's format is documented well enough to be checked by other means: a program in another language, written from
// docs/ledger-format.md alone, comes to the same findings.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { verifyBundle } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import t from "tap";
import { temporaryFolder } from "../temporary-folder.js";
import { plantedFaults } from "./faults.js";
import { RealLog } from "./real-bundle.js";

t.setTimeout(600_000);
const program = fileURLToPath(new URL("../../../../test/independent/verify_bundle.py", import.meta.url));
const hasPython = spawnSync("python3", ["--version"]).status === 0;
const skip = hasPython ? false : "python3 is missing: apt-get install python3";

/** Codes that the program finds, by file. */
function independently(paths: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const { stdout, stderr } = spawnSync("python3", [program, ...paths], { encoding: "utf8", maxBuffer: 1 << 26 });
  if (stderr !== "") throw new Error(stderr);
  const found = new Map(paths.map((path) => [path, new Set<string>()]));
  for (const line of stdout.split("\n")) {
    const [, path = "", code = ""] = /^(.*?): ([A-Z_]+)/.exec(line) ?? [];
    found.get(path)?.add(code);
  }
  return found;
}

t.test(
  "another program, written from the document, verifies the real bundle and finds what is planted",
  { skip },
  async (t) => {
    const real = await RealLog.run(t);
    const folder = temporaryFolder(t);
    const paths = new Map<string, readonly string[]>();
    const expectedOf = async (bytes: Uint8Array): Promise<string[]> => {
      const { findings } = await verifyBundle([bytes], { verifier: nodeVerifier() });
      return [...new Set(findings.map(({ code }) => code))].sort();
    };
    const put = async (name: string, bytes: Uint8Array): Promise<void> => {
      const path = join(folder, `${name}.jsonl`);
      writeFileSync(path, bytes);
      paths.set(path, await expectedOf(bytes));
    };
    await put("real", real.bytes);
    // What an auditor brings along is not in the bundle, so these two are in order by themselves.
    for (const { row, trust, change } of plantedFaults(real)) {
      if (trust === undefined) await put(row.replaceAll(" ", "-"), await real.forged(change));
    }
    for (let at = 400; at < real.bytes.length; at += Math.ceil(real.bytes.length / 12)) {
      const bytes = real.bytes.slice();
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      await put(`flipped-${at}`, bytes);
    }
    const found = independently([...paths.keys()]);
    for (const [path, expected] of paths) {
      const codes = [...(found.get(path) ?? [])].sort();
      if (expected.length === 0) t.same(codes, ["VERIFIED"], path);
      else if (path.includes("flipped-")) t.notOk(codes.includes("VERIFIED"), `${path}: ${expected} and ${codes}`);
      else t.same(codes, expected, path);
    }
  },
);
