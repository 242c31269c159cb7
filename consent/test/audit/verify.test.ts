import t from "tap";
import {
  type Finding,
  type FindingPlace,
  type SignatureVerifier,
  type Trust,
  type VerificationReport,
  verifyBundle,
  webCryptoVerifier,
} from "../../src/index.js";
import { nodeVerifier } from "../../src/index.node.js";
import { logName, population } from "../author.js";
import { bundleOf, completeLog, epsilonAfter, shortLog } from "../complete-log.js";

/** Remembers answers: most of a flipped bundle's signatures have been checked before. */
function rememberingVerifier(): SignatureVerifier {
  const verifier = nodeVerifier();
  const answers = new Map<string, boolean>();
  return {
    verify: (publicKey, message, signature) => {
      const key = Buffer.concat([publicKey, signature, message]).toString("latin1");
      const known = answers.get(key);
      if (known !== undefined) return known;
      const answer = verifier.verify(publicKey, message, signature);
      answers.set(key, answer);
      return answer;
    },
  };
}

t.setTimeout(240_000);
const verifier = rememberingVerifier();

async function verify(bytes: Uint8Array, trust: Trust = {}): Promise<VerificationReport> {
  return verifyBundle([bytes], { verifier, trust });
}

t.test("a log in order verifies, and its budget is the recomputed one", async (t) => {
  const author = await completeLog();
  const report = await verify(await bundleOf(author));
  t.strictSame(report.findings, []);
  t.equal(report.ok, true);
  t.equal(report.log, logName);
  t.equal(report.size, author.entries.length);
  t.match(report.consents, { subjects: 4, entries: 5, standing: 2, withdrawals: 1 });
  t.strictSame(
    report.consents.timeline.map(({ standing }) => standing),
    [1, 2, 3, 3, 2],
  );
  t.equal(report.withdrawalLatency.usedAfter, 0);
  t.strictSame(report.rounds, { planned: 3, completed: 2, abandoned: 1, open: 0 });
  const [budget] = report.populations;
  t.match(budget, { population, delta: 1e-5, accountant: "rdp", cap: 4, rounds: 2, participants: 3 });
  t.ok(Math.abs((budget?.epsilon ?? 0) - Number(epsilonAfter(2))) < 2e-6);
  const { population: all, participant } = budget?.recomputed ?? {};
  t.equal(all?.rdp, budget?.epsilon);
  t.ok((all?.pld ?? 0) > 0.5 && (all?.pld ?? 9) < (all?.rdp ?? 0), "PLD is tighter than RDP");
  t.strictSame(participant, all, "two took part in both rounds");
  t.strictSame(
    budget?.history.map(({ round, kind }) => [round, kind]),
    [
      [1, "train"],
      [3, "evaluate"],
    ],
  );
  t.strictSame(
    budget?.participantHistory.map(({ epsilon }) => epsilon),
    budget?.history.map(({ epsilon }) => epsilon),
  );
  t.equal(report.signatures, author.entries.length + 5);
});

t.test("a verifier that answers later gives the same report", async (t) => {
  const bytes = await bundleOf(await completeLog());
  t.strictSame(await verifyBundle([bytes], { verifier: webCryptoVerifier() }), await verify(bytes));
});

/** Which part of the file a byte belongs to. */
function placeOf(bytes: Uint8Array, at: number, entries: number, blobs: number): [FindingPlace, number | null] {
  let line = 0;
  for (let index = 0; index < at; index++) if (bytes[index] === 10) line++;
  if (line === 0) return ["header", null];
  if (line <= entries) return ["entry", line - 1];
  return line <= entries + blobs ? ["blob", line - 1 - entries] : ["checkpoint", null];
}

t.test("one flipped bit anywhere fails, and the finding names the entry", async (t) => {
  const author = await shortLog();
  const bytes = await bundleOf(author);
  const unseen: number[] = [];
  const unnamed: string[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    // Neighbouring bytes are flipped in different bits: over eight neighbours every bit is met.
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    const { ok, findings } = await verify(changed);
    if (ok) unseen.push(at);
    const [where, index] = placeOf(bytes, at, author.entries.length, author.blobs.length);
    const names = (finding: Finding): boolean => finding.where === where && finding.index === index;
    if (!findings.some(names)) unnamed.push(`${at} of ${where} ${index}: ${findings.map(({ code }) => code).join()}`);
  }
  t.strictSame(unseen, []);
  t.strictSame(unnamed, []);
  t.comment(`${bytes.length} bytes flipped`);
});

t.test("a cut file fails at every length", async (t) => {
  const bytes = await bundleOf(await completeLog());
  const unseen: number[] = [];
  for (let length = 0; length < bytes.length; length += length < bytes.length - 100 ? 397 : 1)
    if ((await verify(bytes.subarray(0, length))).ok) unseen.push(length);
  t.strictSame(unseen, []);
});

t.test("bytes after the end, an inserted byte and a removed line fail", async (t) => {
  const bytes = await bundleOf(await completeLog());
  for (const extra of ["\n", "x", "{}\n"])
    t.equal((await verify(Buffer.concat([bytes, Buffer.from(extra)]))).ok, false, JSON.stringify(extra));
  const lines = Buffer.from(bytes).toString().split("\n").slice(0, -1);
  for (let removed = 0; removed < lines.length; removed++) {
    const kept = lines.filter((_, at) => at !== removed).map((line) => `${line}\n`);
    t.equal((await verify(Buffer.from(kept.join("")))).ok, false, `without line ${removed}`);
  }
});

t.test("verification reports progress and stops when aborted", async (t) => {
  const bytes = await bundleOf(await completeLog());
  const seen: number[] = [];
  await verifyBundle([bytes], { verifier, onProgress: ({ entries }) => seen.push(entries) });
  t.equal(seen.at(-1), 17);
  await t.rejects(verifyBundle([bytes], { verifier, signal: AbortSignal.abort(new Error("stopped")) }), /stopped/);
});
