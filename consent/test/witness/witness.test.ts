import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
  collectCosignatures,
  cosigner,
  encodeUtf8,
  formatAddCheckpoint,
  httpWitness,
  LedgerError,
  leafHash,
  MerkleTree,
  memoryWitnessStore,
  noteSigner,
  openCheckpoint,
  parseAddCheckpoint,
  parseVkey,
  signCheckpoint,
  verifyForkEvidence,
  Witness,
  type WitnessContact,
  type WitnessStore,
} from "../../src/index.js";
import { fileWitnessStore, generateNodeSigner, nodeVerifier } from "../../src/index.node.js";
import { refuses, rejects } from "../refusals.js";

const verifier = nodeVerifier();
const origin = "log.example/2026";
const logSigner = noteSigner(origin, generateNodeSigner());

class TestLog {
  readonly tree: MerkleTree = new MerkleTree();
  readonly #prefix: string;

  constructor(prefix = "entry") {
    this.#prefix = prefix;
  }

  async grow(size: number): Promise<string> {
    while (this.tree.size < size) this.tree.append(leafHash(encodeUtf8(`${this.#prefix} ${this.tree.size}`)));
    return signCheckpoint({ origin, size, root: this.tree.root() }, logSigner);
  }
}

function witnessOver(store: WitnessStore, name = "witness.example"): { witness: Witness; vkey: string } {
  const signer = cosigner(name, generateNodeSigner(), () => 1_767_139_200);
  return { witness: new Witness({ signer, logs: [logSigner.vkey], store, verifier }), vkey: signer.vkey };
}

function contact(witness: Witness, vkey: string): WitnessContact {
  return { vkey, submit: (body) => witness.addCheckpoint(body) };
}

/** What every store must do, bound to each implementation below. */
function storeSuite(t: Test, name: string, open: () => WitnessStore): void {
  t.test(`${name}: a head is replaced only from the size it has`, async (t) => {
    const store = open();
    const root = new Uint8Array(32).fill(1);
    t.equal(await store.latest(origin), undefined);
    t.equal(await store.advance(origin, 3, { size: 5, root, note: "" }), false);
    t.equal(await store.advance(origin, 0, { size: 5, root, note: "" }), true);
    t.equal(await store.advance(origin, 0, { size: 9, root, note: "" }), false);
    t.strictSame(await store.latest(origin), { size: 5, root, note: "" });
    t.equal(await store.latest("other.example"), undefined);
  });

  t.test(`${name}: of two advances at once one wins`, async (t) => {
    const store = open();
    const heads = [5, 6, 7, 8].map((size) => ({ size, root: new Uint8Array(32).fill(size), note: "" }));
    const won = await Promise.all(heads.map((head) => store.advance(origin, 0, head)));
    t.equal(won.filter(Boolean).length, 1);
    t.strictSame(await store.latest(origin), heads[won.indexOf(true)]);
  });
}

storeSuite(t, "memory", memoryWitnessStore);
storeSuite(t, "file", () => fileWitnessStore(mkdtempSync(join(t.testdir(), "witness"))));

t.test("a file store survives a restart and refuses a damaged record", async (t) => {
  const folder = mkdtempSync(join(t.testdir(), "witness"));
  await fileWitnessStore(folder).advance(origin, 0, { size: 5, root: new Uint8Array(32), note: "" });
  t.equal((await fileWitnessStore(folder).latest(origin))?.size, 5);
  const { readdirSync } = await import("node:fs");
  const [file = ""] = readdirSync(folder);
  writeFileSync(join(folder, file), JSON.stringify({ origin: "other", size: 5, root: "" }));
  await rejects(t, "BAD_PROOF", "another log's record", () => fileWitnessStore(folder).latest(origin));
});

t.test("a witness cosigns a log that grows, from the first checkpoint on", async (t) => {
  const { witness, vkey } = witnessOver(memoryWitnessStore());
  const log = new TestLog();
  let oldSize = 0;
  for (const size of [0, 1, 2, 5, 5, 64, 100]) {
    const checkpoint = await log.grow(size);
    const proof = log.tree.consistencyProof(oldSize, size);
    const response = await witness.addCheckpoint(formatAddCheckpoint({ oldSize, proof, checkpoint }));
    t.equal(response.status, 200, `${oldSize} to ${size}: ${response.body}`);
    const opened = await openCheckpoint(
      checkpoint + response.body,
      { vkey: logSigner.vkey, witnesses: [vkey], quorum: 1 },
      verifier,
    );
    t.strictSame(opened.witnesses, [{ name: "witness.example", timestampSeconds: 1_767_139_200 }]);
    oldSize = size;
  }
});

t.test("the specified status answers each wrong request", async (t) => {
  const { witness } = witnessOver(memoryWitnessStore());
  const log = new TestLog();
  const first = await log.grow(4);
  t.equal((await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: first }))).status, 200);
  const second = await log.grow(9);
  const proof = log.tree.consistencyProof(4, 9);
  const status = async (body: string): Promise<number> => (await witness.addCheckpoint(body)).status;

  t.equal(await status(""), 400, "nothing");
  t.equal(await status(`old 4\n${second}`), 400, "no empty line");
  t.equal(await status(formatAddCheckpoint({ oldSize: 10, proof, checkpoint: second })), 400, "an old size too large");
  const stranger = noteSigner("other.example", generateNodeSigner());
  const foreign = await signCheckpoint({ origin: "other.example", size: 9, root: log.tree.root() }, stranger);
  t.equal(await status(formatAddCheckpoint({ oldSize: 4, proof, checkpoint: foreign })), 404, "an unknown log");
  const forged = await signCheckpoint(
    { origin, size: 9, root: log.tree.root() },
    noteSigner(origin, generateNodeSigner()),
  );
  t.equal(await status(formatAddCheckpoint({ oldSize: 4, proof, checkpoint: forged })), 403, "another key");
  t.equal(await status(formatAddCheckpoint({ oldSize: 4, proof, checkpoint: second.replace("\n9\n", "\n8\n") })), 403);
  const behind = await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: second }));
  t.strictSame(behind, { status: 409, contentType: "text/x.tlog.size", body: "4\n" });
  t.equal(
    await status(formatAddCheckpoint({ oldSize: 4, proof: proof.slice(1), checkpoint: second })),
    422,
    "a short proof",
  );
  const fork = new TestLog("forged");
  const forkedSame = await fork.grow(4);
  t.equal(
    await status(formatAddCheckpoint({ oldSize: 4, proof: [], checkpoint: forkedSame })),
    409,
    "another root of 4",
  );
  const forked = await fork.grow(9);
  const forkProof = fork.tree.consistencyProof(4, 9);
  t.equal(await status(formatAddCheckpoint({ oldSize: 4, proof: forkProof, checkpoint: forked })), 422, "a fork");
  t.equal(await status(formatAddCheckpoint({ oldSize: 4, proof, checkpoint: second })), 200, "and then the true one");
  t.equal(await status(formatAddCheckpoint({ oldSize: 4, proof, checkpoint: second })), 409, "not twice from 4");
});

t.test("requests at once cannot roll a witness back", async (t) => {
  const store = memoryWitnessStore();
  const { witness } = witnessOver(store);
  const log = new TestLog();
  const bodies: string[] = [];
  for (const size of [3, 6, 9])
    bodies.push(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: await log.grow(size) }));
  const statuses = (await Promise.all(bodies.map((body) => witness.addCheckpoint(body)))).map(({ status }) => status);
  t.strictSame(statuses.toSorted(), [200, 409, 409]);
});

t.test("a log collects a quorum, catches up witnesses that lag, and leaves out those that fail", async (t) => {
  const log = new TestLog();
  const lagging = witnessOver(memoryWitnessStore(), "lagging.example");
  const fresh = witnessOver(memoryWitnessStore(), "fresh.example");
  await lagging.witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: await log.grow(3) }));
  const down: WitnessContact = {
    vkey: witnessOver(memoryWitnessStore(), "down.example").vkey,
    submit: async () => Promise.reject(new Error("connection refused")),
  };
  const lying: WitnessContact = {
    vkey: witnessOver(memoryWitnessStore(), "lying.example").vkey,
    submit: (body) => fresh.witness.addCheckpoint(body),
  };
  const checkpoint = await log.grow(11);
  const witnesses = [contact(lagging.witness, lagging.vkey), contact(fresh.witness, fresh.vkey), down, lying];
  const settings = {
    witnesses,
    quorum: 2,
    verifier,
    consistencyProof: (oldSize: number, newSize: number) => log.tree.consistencyProof(oldSize, newSize),
  };
  const cosigned = await collectCosignatures(checkpoint, settings);
  t.strictSame(cosigned.signed, ["lagging.example", "fresh.example"]);
  t.match(cosigned.refused.get("down.example"), /connection refused/);
  t.ok(cosigned.refused.has("lying.example"));
  const trust = { vkey: logSigner.vkey, witnesses: witnesses.map(({ vkey }) => vkey), quorum: 2 };
  t.equal((await openCheckpoint(cosigned.checkpoint, trust, verifier)).witnesses.length, 2);
  await rejects(t, "NO_QUORUM", "three wanted", () => collectCosignatures(checkpoint, { ...settings, quorum: 3 }));
});

t.test("a log that was rolled back gets no cosignature", async (t) => {
  const log = new TestLog();
  const { witness, vkey } = witnessOver(memoryWitnessStore());
  const older = await log.grow(5);
  const newer = await log.grow(8);
  const settings = {
    witnesses: [contact(witness, vkey)],
    quorum: 1,
    verifier,
    consistencyProof: (oldSize: number, newSize: number) => log.tree.consistencyProof(oldSize, newSize),
  };
  await collectCosignatures(newer, settings);
  await rejects(t, "NO_QUORUM", "the older head", () => collectCosignatures(older, settings));
});

t.test("a log that signs two histories is convicted by its witness, and a wrong proof convicts nobody", async (t) => {
  const evidence: string[] = [];
  for (const [oldSize, newSize] of [
    [5, 5],
    [5, 9],
    [6, 13],
  ] as const) {
    const signer = cosigner("witness.example", generateNodeSigner(), () => 1_767_139_200);
    const onFork = (log: string, text: string): void => {
      t.equal(log, origin);
      evidence.push(text);
    };
    const witness = new Witness({ signer, logs: [logSigner.vkey], store: memoryWitnessStore(), verifier, onFork });
    const [honest, other] = [new TestLog(), new TestLog("other")];
    await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: await honest.grow(oldSize) }));
    const checkpoint = await other.grow(newSize);
    const proof = other.tree.consistencyProof(oldSize, newSize);
    const garbled = proof.map((hash) => hash.map((byte) => byte ^ 1));
    if (proof.length > 0) await witness.addCheckpoint(formatAddCheckpoint({ oldSize, proof: garbled, checkpoint }));
    const { length } = evidence;
    const { status } = await witness.addCheckpoint(formatAddCheckpoint({ oldSize, proof, checkpoint }));
    t.equal(status, oldSize === newSize ? 409 : 422);
    t.equal(evidence.length, length + 1);
    t.match(await verifyForkEvidence(evidence.at(-1) ?? "", verifier), { origin, oldSize, newSize });
  }
  t.equal(evidence.length, 3);
});

t.test("an HTTP witness is asked at its submission prefix", async (t) => {
  const asked: string[] = [];
  const fetch: typeof globalThis.fetch = async (url, init) => {
    asked.push(`${init?.method} ${String(url)} ${String(init?.body)}`);
    return new Response("7\n", { status: 409 });
  };
  const witness = httpWitness(parseVkey(logSigner.vkey).name, "https://witness.example/prefix/", fetch);
  t.strictSame(await witness.submit("body"), { status: 409, body: "7\n" });
  t.strictSame(asked, ["POST https://witness.example/prefix/add-checkpoint body"]);
});

t.test("requests in any other form are refused", async (t) => {
  const hash = `${Buffer.alloc(32).toString("base64")}\n`;
  t.strictSame(parseAddCheckpoint(`old 3\n${hash}\ncheckpoint`), {
    oldSize: 3,
    proof: [new Uint8Array(32)],
    checkpoint: "checkpoint",
  });
  for (const body of [
    "",
    "old 1",
    "old 1\n",
    "new 1\n\nx",
    "old 01\n\nx",
    "old -1\n\nx",
    "old 0x1\n\nx",
    "old  1\n\nx",
  ])
    refuses(t, "BAD_PROOF", JSON.stringify(body), () => parseAddCheckpoint(body));
  refuses(t, "BAD_PROOF", "a proof from 0", () => parseAddCheckpoint(`old 0\n${hash}\nx`));
  refuses(t, "BAD_PROOF", "64 hashes", () => parseAddCheckpoint(`old 1\n${hash.repeat(64)}\nx`));
  refuses(t, "BAD_PROOF", "a short hash", () => parseAddCheckpoint("old 1\nAAAA\n\nx"));
  t.throws(() => parseAddCheckpoint("old 1\nA?==\n\nx"), LedgerError);
});
