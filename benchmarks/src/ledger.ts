import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import {
  buildEntry,
  type ConsentRecord,
  decodeBase64Url,
  type EntryBodies,
  encodeBase64Url,
  entryMessage,
  newEntryId,
  noteSigner,
  parseEntry,
  type SignatureVerifier,
  verifyBundle,
  writeBundle,
} from "@fedloop/consent";
import { generateNodeSigner, nodeVerifier, verifierPool } from "@fedloop/consent/node";
import { Ledger, openSqliteStore } from "@fedloop/coordinator";

/** What to time. */
export interface LedgerBenchmarkOptions {
  /** Entries of the bundle that is verified; as many are appended. */
  readonly entries: number;
  /** Entries in one commit of the batched case. */
  readonly batch: number;
  /** Commits of the single case. */
  readonly singles: number;
}

const ORIGIN = "bench.example/log";
const POPULATION = "bench";
const PURPOSE = "benchmark";
const NOTICE = encodeBase64Url(new Uint8Array(32).fill(9));
const NOW = 1_760_000_000_000;
/** As `fedloop-audit` has it. */
const keptKeys = 4_096;
const operator = generateNodeSigner();

const policy: EntryBodies["policy.publish"] = {
  policy: 1,
  population: POPULATION,
  controller: "Example University",
  notice: NOTICE,
  noticeUri: "https://example.org/notice",
  language: "en",
  purposes: [PURPOSE],
  limits: { epsilon: "4", delta: "0.00001" },
  unit: "participant",
  adjacency: "add-or-remove-one",
  accountant: "rdp",
  accountantVersion: "1",
  operatorKey: encodeBase64Url(operator.publicKey),
};

/** A consent of a participant of its own, with its own key. */
async function consent(): Promise<Uint8Array> {
  const signer = generateNodeSigner();
  const subject = newEntryId();
  const record: ConsentRecord = {
    id: newEntryId(),
    subject,
    key: encodeBase64Url(signer.publicKey),
    population: POPULATION,
    purpose: PURPOSE,
    controller: policy.controller,
    notice: { uri: policy.noticeUri, sha256: NOTICE, language: "en" },
    policy: 1,
    basis: "consent",
    dataCategories: ["ratings"],
    specialCategory: false,
    storage: "on the device",
    retention: "until withdrawn",
    jurisdiction: "CH",
    model: "opt-in",
    withdrawal: "in the app",
    event: { time: NOW, validUntil: null, state: "given" },
    interface: "a benchmark",
    signals: { gpc: false },
    limits: { epsilon: null, delta: null, rounds: null },
    supersedes: null,
  };
  const head = { log: ORIGIN, id: newEntryId(), ts: NOW, actor: subject, aseq: 0, aprev: null };
  return buildEntry({ ...head, type: "consent.given", body: { record } }, signer);
}

interface Timed {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function timed(work: () => unknown): Promise<Timed> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

function quantile(sorted: readonly number[], part: number): number {
  return tenths(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN);
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

/**
 * Times the ledger: durable appends (SQLite in WAL mode, an fsync each commit) one by one, by many callers at once and in
 * batches, and the verification of a bundle beside the bare Ed25519 checks of its signatures, in one run.
 */
export async function ledgerBenchmark(options: LedgerBenchmarkOptions): Promise<readonly object[]> {
  const folder = await mkdtemp(join(tmpdir(), "fedloop-bench-"));
  try {
    // Nothing of the first part is held during the second: a full heap would be paid for in collecting it.
    const log = await appends(folder, options);
    const verified = await verification(log.bundle, options.entries + 1);
    return [...log.cases, ...verified];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function made(count: number): Promise<Uint8Array[]> {
  const entries: Uint8Array[] = [];
  while (entries.length < count) {
    entries.push(...(await Promise.all(Array.from({ length: Math.min(1_000, count - entries.length) }, consent))));
    progress("signing", entries.length, count);
  }
  return entries;
}

function progress(what: string, done: number, count: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${what} ${done} of ${count} `);
}

async function appends(
  folder: string,
  { entries: wanted, batch, singles }: LedgerBenchmarkOptions,
): Promise<{ readonly cases: object[]; readonly bundle: string }> {
  const entries = await made(wanted);
  const store = await openSqliteStore(join(folder, "bench.sqlite"));
  const checkpoints = noteSigner(ORIGIN, generateNodeSigner());
  const ledger = await Ledger.open({
    store,
    origin: ORIGIN,
    operatorSigner: operator,
    noteSigner: checkpoints,
    clock: { now: () => NOW },
  });
  await ledger.commit((tx) => tx.append("policy.publish", policy));
  const cases: object[] = [];
  const measure = async (work: string, count: number, run: (took: (ms: number) => void) => Promise<void>) => {
    const milliseconds: number[] = [];
    const { seconds, cpuSeconds } = await timed(() => run((ms) => milliseconds.push(ms)));
    const sorted = milliseconds.sort((a, b) => a - b);
    cases.push({
      work,
      appends: count,
      perSecond: Math.round(count / seconds),
      cpuMicrosecondsEach: Math.round((cpuSeconds * 1e6) / count),
      commitP50Ms: quantile(sorted, 0.5),
      commitP99Ms: quantile(sorted, 0.99),
    });
  };
  const commit = async (group: readonly Uint8Array[], took: (ms: number) => void): Promise<void> => {
    const start = performance.now();
    await ledger.commit(async (tx) => {
      for (const entry of group) await tx.appendSigned(entry);
    });
    took(performance.now() - start);
  };
  // What is appended in each way; the rest goes in batches, so that the bundle has them all.
  const third = Math.min(10_000, Math.floor((entries.length - singles) / 2));
  const single = entries.slice(0, singles);
  const atOnce = entries.slice(singles, singles + third);
  const batched = entries.slice(singles + third);
  await measure("one commit an entry, one after the other", single.length, async (took) => {
    for (const entry of single) await commit([entry], took);
  });
  await measure("one commit an entry, many callers at once", atOnce.length, async (took) => {
    await Promise.all(atOnce.map((entry) => commit([entry], took)));
  });
  await measure(`${batch} entries a commit`, batched.length, async (took) => {
    for (let start = 0; start < batched.length; start += batch) {
      await commit(batched.slice(start, start + batch), took);
      progress("appending", start, batched.length);
    }
  });
  const bundle = join(folder, "bundle.jsonl");
  const contents = {
    vkey: checkpoints.vkey,
    checkpoint: ledger.checkpoint().text,
    entries: ledger.entries(),
    blobs: [],
    blob: () => new Uint8Array(),
  };
  await pipeline(writeBundle(contents), createWriteStream(bundle));
  await ledger.close();
  await store.close();
  return { cases, bundle };
}

async function verification(bundle: string, count: number): Promise<object[]> {
  const alone = await ed25519Alone(bundle);
  const cases: object[] = [
    {
      work: "Ed25519 alone, the bundle's signatures",
      entries: count,
      perSecond: Math.round(count / alone.cpuSeconds),
      cores: 1,
      cpuSeconds: tenths(alone.cpuSeconds),
    },
  ];
  const measure = async (work: string, verifier: SignatureVerifier): Promise<void> => {
    let ok = false;
    const { seconds, cpuSeconds } = await timed(async () => {
      ({ ok } = await verifyBundle(createReadStream(bundle, { highWaterMark: 1 << 20 }), { verifier }));
    });
    if (!ok) throw new Error("expected the bundle to verify, it did not");
    cases.push({
      work,
      entries: count,
      bundleBytes: (await stat(bundle)).size,
      perSecond: Math.round(count / seconds),
      perCpuSecond: Math.round(count / cpuSeconds),
      cores: tenths(cpuSeconds / seconds),
      seconds: tenths(seconds),
      cpuSeconds: tenths(cpuSeconds),
      // 1 would mean that nothing but the signatures costs anything.
      ofEd25519Alone: Math.round((100 * alone.cpuSeconds) / cpuSeconds) / 100,
    });
  };
  await measure("whole verification, one thread", nodeVerifier({ keys: keptKeys }));
  const pool = verifierPool({ threads: availableParallelism() });
  try {
    await measure(`whole verification, ${pool.threads} worker threads`, pool);
  } finally {
    await pool.close();
  }
  return cases;
}

/** The bare checks of the bundle's signatures: keys, messages and signatures lie ready in memory. */
async function ed25519Alone(bundle: string): Promise<Timed> {
  const checks: (readonly [Uint8Array, Uint8Array, Uint8Array])[] = [];
  let rest = Buffer.alloc(0);
  for await (const piece of createReadStream(bundle)) {
    rest = Buffer.concat([rest, piece as Buffer]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = new Uint8Array(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
      // An entry's first member is "actor"; the header begins with "blobs", the last line with "checkpoint".
      if (line[2] !== 0x61) continue;
      const entry = parseEntry(line);
      const key = entry.type === "consent.given" ? entry.body.record.key : encodeBase64Url(operator.publicKey);
      checks.push([decodeBase64Url(key), entryMessage(entry), decodeBase64Url(entry.sig)]);
    }
  }
  const verifier = nodeVerifier({ keys: keptKeys });
  return timed(() => {
    for (const [key, message, signature] of checks)
      if (!verifier.verify(key, message, signature)) throw new Error("expected every signature to hold");
  });
}
