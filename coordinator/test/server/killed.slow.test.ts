import { createReadStream, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { ParticipationEvent } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { type Entry, formatEpsilon, parseEntry, roundUpEpsilon, verifyBundle } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import { epsilonOf } from "@fedloop/privacy";
import t, { type Test } from "tap";
import { exportBundle } from "../../src/ledger/export-bundle.js";
import { readEntries } from "../../src/ledger/log-state.js";
import { openSqliteReader } from "../../src/store/sqlite-reader.js";
import { temporaryFolder } from "../temporary-folder.js";
import { Life } from "./life.js";
import { ConstantTrainer, joinAs, takePart } from "./people.js";
import { POPULATION } from "./plans.js";

/** Every state that a round without secure aggregation passes, and what a restart makes of it. */
const STATES = {
  planned: "resumed",
  reserved: "resumed",
  selecting: "resumed",
  configured: "abandoned",
  masked: "abandoned",
  aggregated: "resumed",
  debited: "resumed",
  released: "resumed",
  closed: "resumed",
} as const;

/** Three people, a coordinator that is killed in a state of round `round` and started again, and the end. */
async function killAndRestart(t: Test, state: string, round: number) {
  const dataDir = temporaryFolder(t);
  const first = new Life(dataDir, { plan: "central", kill: { state, round } });
  t.teardown(() => first.child.kill("SIGKILL"));
  const { port = 0, verifierKey = "" } = await first.line((line) => line.port !== undefined);
  const transport = grpcTransport({
    address: `127.0.0.1:${port}`,
  });
  t.teardown(() => transport.close());
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  // A device that was promised its part in a round and is asked again must not be counted twice: each counts itself.
  const trainers = [1, 2, 3].map((value) => new ConstantTrainer(value));
  const parts = trainers.map(async (trainer): Promise<ParticipationEvent[]> => {
    return takePart(await joinAs(transport, { trainer }), stop.signal);
  });
  t.equal(await first.ended(), "SIGKILL");
  const unnamed = await unnamedArtifacts(dataDir);
  const second = new Life(dataDir, { plan: "central", port });
  t.teardown(() => second.child.kill("SIGKILL"));
  await second.line(({ finished }) => finished === true);
  const events = await Promise.all(parts);
  second.child.kill("SIGTERM");
  await second.ended();
  t.same(
    [...first.lines, ...second.lines].filter(({ fault }) => fault !== undefined),
    [],
  );
  return { dataDir, verifierKey, events, unnamed };
}

/** Files of artifacts that no row names. */
async function unnamedArtifacts(dataDir: string): Promise<string[]> {
  await using store = openSqliteReader(join(dataDir, "fedloop.sqlite"));
  const models = await store.db.selectFrom("models").select("sha256").execute();
  const rounds = await store.db.selectFrom("rounds").select(["aggregate", "strategy_state"]).execute();
  const hashes = [...models.map(({ sha256 }) => sha256), ...rounds.flatMap((row) => Object.values(row))];
  const named = new Set(hashes.map((hash) => (hash === null ? "" : Buffer.from(hash).toString("hex"))));
  const files = readdirSync(join(dataDir, "artifacts"), { recursive: true, encoding: "utf8" });
  return files.map((file) => basename(file)).filter((file) => file.length === 64 && !named.has(file));
}

async function entriesOf(dataDir: string): Promise<Entry[]> {
  await using store = openSqliteReader(join(dataDir, "fedloop.sqlite"));
  const entries: Entry[] = [];
  for await (const { bytes } of readEntries(store.db, 0, Number.MAX_SAFE_INTEGER)) entries.push(parseEntry(bytes));
  return entries;
}

/** What holds of every log, wherever its coordinator was killed. */
function checkLedger(t: Test, entries: readonly Entry[], expected: { readonly abandoned: number }): void {
  const plans = entries.filter((entry) => entry.type === "round.plan");
  const closes = entries.filter((entry) => entry.type === "round.close");
  const debits = entries.filter((entry) => entry.type === "budget.debit");
  const releases = entries.filter((entry) => entry.type === "model.release" || entry.type === "analytics.release");
  const completed = closes.filter(({ body }) => body.outcome === "completed").map(({ body }) => body.round);
  t.same(
    closes.filter(({ body }) => body.outcome === "abandoned").map(({ body }) => body.reason),
    Array(expected.abandoned).fill("COORDINATOR_RESTARTED"),
  );
  t.equal(plans.length, closes.length, "every plan has come to its end");
  t.equal(completed.length, 3, "two rounds of training and an evaluation");
  t.equal(new Set(completed).size, 3, "no round counted twice");
  t.same(debits.map(({ body }) => body.round).sort(), completed.sort(), "what is debited is what completed");
  t.same(releases.map(({ body }) => body.round).sort(), completed, "one release for each debit");
  const event = { type: "Gaussian", noiseMultiplier: 2 } as const;
  const spent = epsilonOf({ type: "SelfComposed", count: 3, event }, 1e-5, "rdp").epsilon;
  t.equal(debits.at(-1)?.body.epsilon, formatEpsilon(roundUpEpsilon(spent)), "no budget lost, none forgotten");
}

for (const [state, outcome] of Object.entries(STATES)) {
  t.test(`killed when a round is ${state}, the coordinator goes on: the round is ${outcome}`, async (t) => {
    const { dataDir, verifierKey, events } = await killAndRestart(t, state, 1);
    checkLedger(t, await entriesOf(dataDir), { abandoned: outcome === "abandoned" ? 1 : 0 });
    const bundle = join(dataDir, "bundle.jsonl");
    await exportBundle({ database: join(dataDir, "fedloop.sqlite"), verifierKey, path: bundle });
    const report = await verifyBundle(createReadStream(bundle), {
      verifier: nodeVerifier(),
      trust: { vkey: verifierKey },
    });
    t.same(report.findings, []);
    t.match(report.populations, [{ population: POPULATION, rounds: 3, participants: 3 }]);
    for (const each of events) {
      const rounds = each.flatMap((event) => (event.type === "accepted" ? [event.round] : []));
      t.equal(new Set(rounds).size, rounds.length, "no device handed in twice for a round");
    }
  });
}

t.test("killed when a noised sum is a file that nothing names, the coordinator removes it", async (t) => {
  const { dataDir, unnamed } = await killAndRestart(t, "sum written", 1);
  t.equal(unnamed.length, 1, "it was there");
  t.strictSame(await unnamedArtifacts(dataDir), []);
  checkLedger(t, await entriesOf(dataDir), { abandoned: 1 });
});

t.test("killed in an evaluation, the coordinator goes on likewise", async (t) => {
  for (const state of ["masked", "debited", "released"]) {
    const { dataDir } = await killAndRestart(t, state, 3);
    checkLedger(t, await entriesOf(dataDir), { abandoned: state === "masked" ? 1 : 0 });
  }
});
