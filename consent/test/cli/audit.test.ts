import { execFile } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { epsilonOf, parseDpEvent } from "@fedloop/privacy";
import t from "tap";
import { runAudit } from "../../src/cli/audit.node.js";
import { progressOn } from "../../src/cli/verify.node.js";
import {
  decodeBase64Url,
  encodeBase64Url,
  findingMeanings,
  openSealed,
  recipientFromBytes,
  sealTo,
  verifyForkEvidence,
} from "../../src/index.js";
import { nodeVerifier } from "../../src/index.node.js";
import { operator, population, testDevice } from "../author.js";
import { bundleOf, completeLog, shortLog, startedLog } from "../complete-log.js";

const main = fileURLToPath(new URL("../../src/cli/main.node.js", import.meta.url));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs a command line in this process. */
async function audit(...args: readonly string[]): Promise<Outcome> {
  const texts = { out: "", error: "" };
  const code = await runAudit(args, {
    out: (text) => {
      texts.out += text;
    },
    error: (text) => {
      texts.error += text;
    },
    isWatched: false,
  });
  return { code, ...texts };
}

/** Runs it as a program of its own. */
function program(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (failure, out, error) => {
      resolve({ code: typeof failure?.code === "number" ? failure.code : 0, out, error });
    });
  });
}

t.setTimeout(240_000);
const folder = t.testdir();
const good = join(folder, "good.fedloop");
const bad = join(folder, "bad.fedloop");
const author = await completeLog();
const bytes = await bundleOf(author);
writeFileSync(good, bytes);
const changed = bytes.slice();
changed[5_000] = (changed[5_000] ?? 0) ^ 1;
writeFileSync(bad, changed);

t.test("verify exits 0 for a bundle in order and says what was checked", async (t) => {
  const { code, out, error } = await audit("verify", good);
  t.equal(code, 0);
  t.match(out, /VERIFIED/);
  t.match(out, /3 planned: 2 completed, 1 abandoned, 0 open/);
  t.equal(error, "");
});

t.test("the program exits and prints as the command does", async (t) => {
  t.strictSame(await program("verify", good), await audit("verify", good));
  t.strictSame(await program("verify", bad), await audit("verify", bad));
  t.equal((await program("verify", join(folder, "absent"))).code, 2);
});

t.test("who watches a long verification sees its progress", async (t) => {
  let shown = "";
  let now = 0;
  const terminal = { out: () => undefined, error: (text: string) => (shown += text), isWatched: true };
  const progress = progressOn(terminal, () => now);
  progress({ bytes: 1, entries: 1, totalEntries: 10 });
  t.equal(shown, "", "nothing before half a second");
  now = 2_000;
  progress({ bytes: 1, entries: 5, totalEntries: 10 });
  t.match(shown, "5 of 10 entries verified (50 %, 2 s)");
});

t.test("verify --json prints one line that programs read", async (t) => {
  const { code, out } = await audit("verify", good, "--json");
  t.equal(code, 0);
  t.equal(out.trimEnd().split("\n").length, 1);
  t.match(JSON.parse(out), { ok: true, findings: [], size: 17, populations: [{ population, delta: 1e-5, rounds: 2 }] });
});

t.test("verify exits 1 for a changed bundle and names the entry", async (t) => {
  const { code, out } = await audit("verify", bad);
  t.equal(code, 1);
  t.match(out, /FAILED/);
  const json = await audit("verify", bad, "--json");
  t.equal(json.code, 1);
  const lines = Buffer.from(bytes.subarray(0, 5_000)).toString().split("\n").length - 2;
  t.ok(JSON.parse(json.out).findings.some(({ index }: { index: unknown }) => index === lines));
});

t.test("a trust file is held against the bundle", async (t) => {
  const trust = join(folder, "trust.json");
  const operatorKey = encodeBase64Url(operator.publicKey);
  writeFileSync(trust, JSON.stringify({ vkey: author.checkpointSigner.vkey, operatorKey }));
  t.equal((await audit("verify", good, "--trust", trust)).code, 0);
  writeFileSync(
    trust,
    JSON.stringify({ operatorKey: operatorKey.replace(/^./, (first) => (first === "A" ? "B" : "A")) }),
  );
  const { code, out } = await audit("verify", good, "--trust", trust);
  t.equal(code, 1);
  t.match(out, /TRUST_MISMATCH/);
  const key = join(folder, "auditor.key");
  writeFileSync(key, `${"A".repeat(43)}\n`);
  t.equal((await audit("verify", good, "--auditor-key", key)).code, 0);
  writeFileSync(key, "AAAA");
  t.equal((await audit("verify", good, "--auditor-key", key)).code, 2);
  for (const text of ["", "{", "[]", '{"key":1}', '{"quorum":1}']) {
    writeFileSync(trust, text);
    t.equal((await audit("verify", good, "--trust", trust)).code, 2, JSON.stringify(text));
  }
});

t.test("keygen makes a key that opens what is sealed to it, and never overwrites one", async (t) => {
  const path = join(folder, "made.key");
  const { code, out } = await audit("keygen", "--out", path);
  t.equal(code, 0);
  t.equal(statSync(path).mode & 0o077, 0);
  const auditor = await recipientFromBytes(decodeBase64Url(readFileSync(path, "utf8").trim()));
  const message = new Uint8Array([1, 2, 3]);
  t.strictSame(await openSealed(auditor, await sealTo(decodeBase64Url(out.trim()), message)), message);
  t.equal((await audit("keygen", "--out", path)).code, 2);
});

t.test("wrong arguments and unreadable files exit 2 and say what was expected", async (t) => {
  for (const args of [
    [],
    ["verify"],
    ["verify", good, good],
    ["verify", join(folder, "absent")],
    ["verify", folder],
    ["verify", good, "--trust", join(folder, "absent")],
    ["verify", good, "--unknown"],
    ["prove", good],
    ["explain", "NO_SUCH_CODE"],
    ["keygen"],
    ["export-events", good, "--population", "another"],
  ]) {
    const { code, out, error } = await audit(...args);
    t.equal(code, 2, args.join(" "));
    t.equal(out, "");
    t.match(error, /fedloop-audit/);
  }
});

t.test("help lists every command and exits 0", async (t) => {
  const { code, out } = await audit("--help");
  t.equal(code, 0);
  for (const command of ["verify", "report", "compare", "export-events", "keygen", "explain"])
    t.match(out, `fedloop-audit ${command}`);
  t.equal((await audit("verify", "--help")).code, 0);
});

t.test("export-events prints an event from which any accountant gets the same ε", async (t) => {
  const { code, out } = await audit("export-events", good);
  t.equal(code, 0);
  const event = parseDpEvent(JSON.parse(out));
  const report = JSON.parse((await audit("verify", good, "--json")).out);
  t.ok(Math.abs(epsilonOf(event, 1e-5, "rdp").epsilon - report.populations[0].epsilon) < 1e-9);
  t.equal((await audit("export-events", bad)).code, 1);
});

t.test("compare exits 0 for a log that grew and 1, with evidence kept, for one that forked", async (t) => {
  const evidence = join(folder, "fork.json");
  const short = join(folder, "short.fedloop");
  writeFileSync(short, await bundleOf(await shortLog()));
  t.match(await audit("compare", good, good), { code: 0, out: /CONSISTENT/ });
  const { code, out } = await audit("compare", short, good, "--evidence", evidence);
  t.equal(code, 1);
  t.match(out, /FORKED/);
  t.equal((await verifyForkEvidence(readFileSync(evidence, "utf8"), nodeVerifier())).newSize, 17);
  t.match(JSON.parse((await audit("compare", short, good, "--json")).out), { consistent: false, forkIndex: 3 });
  t.equal((await audit("compare", good)).code, 2);
  t.equal((await audit("compare", bad, good)).code, 2);
});

t.test("report writes a page, for a bundle in order and for a changed one", async (t) => {
  const page = join(folder, "report.html");
  t.equal((await audit("report", good, "--out", page)).code, 0);
  t.match(readFileSync(page, "utf8"), "Everything holds");
  t.equal((await audit("report", bad, "--out", page)).code, 1);
  t.match(readFileSync(page, "utf8"), /things? do(es)? not hold/);
  t.equal((await audit("report", good)).code, 2);
  t.equal((await audit("report", good, "--out", join(folder, "absent/report.html"))).code, 2);
});

t.test("a large bundle is verified on worker threads with the same outcome", async (t) => {
  const rounds = await startedLog(Array.from({ length: 4_000 }, (_, at) => testDevice(at + 1)));
  const large = join(folder, "large.fedloop");
  writeFileSync(large, await bundleOf(rounds.author));
  t.match(await audit("verify", large), { code: 0, out: /4001 entries/ });
  const bytes = readFileSync(large);
  bytes[4_000_000] = (bytes[4_000_000] ?? 0) ^ 1;
  writeFileSync(large, bytes);
  t.equal((await audit("verify", large)).code, 1);
});

t.test("explain says what a code means, or all of them", async (t) => {
  const { code, out } = await audit("explain", "TREE_ROOT");
  t.equal(code, 0);
  t.match(out, findingMeanings.TREE_ROOT);
  const all = await audit("explain");
  for (const name of Object.keys(findingMeanings)) t.match(all.out, name);
});
