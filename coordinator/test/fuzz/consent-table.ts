/** Formats of the log, of the vault and of bundles. */
import * as consent from "@fedloop/consent";
import { type NodeSigner, nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { Broken, below, type Fuzzed, fixed, mutateBytes, mutateJson, mutateText, one, same, utf8 } from "@fedloop/fuzz";

const { LedgerError } = consent;

const isLedger = (cause: unknown): boolean => cause instanceof LedgerError;

export const signer: NodeSigner = nodeSigner(fixed(32, 1));
const verifier = nodeVerifier();
const ORIGIN = "coordinator.example.org/lecturers";
const noteSigner = consent.noteSigner(ORIGIN, signer);
const vkey = noteSigner.vkey;
const subject = consent.encodeBase64Url(fixed(16, 2));

async function entries(): Promise<Uint8Array[]> {
  const head = { log: ORIGIN, ts: 1_700_000_000_000, actor: "operator", aseq: 0, aprev: null };
  const record = {
    id: consent.encodeBase64Url(fixed(16, 3)),
    subject,
    key: consent.encodeBase64Url(signer.publicKey),
    population: "lecturers",
    purpose: "lecture-recommendations",
    controller: "Example University",
    notice: { uri: "sha256:x", sha256: consent.encodeBase64Url(fixed(32, 4)), language: "en" },
    policy: 1,
    basis: "consent" as const,
    dataCategories: ["lecture ratings"],
    specialCategory: false,
    storage: "on the device",
    retention: "until withdrawn",
    jurisdiction: "CH",
    model: "opt-in" as const,
    withdrawal: "in the app",
    event: { time: 1_700_000_000_000, validUntil: null, state: "given" as const },
    interface: "a test",
    signals: { gpc: false },
    limits: { epsilon: "3.5", delta: "0.00001", rounds: 4 },
    supersedes: null,
  };
  const id = consent.encodeBase64Url(fixed(16, 5));
  return [await consent.buildEntry({ ...head, id, actor: subject, type: "consent.given", body: { record } }, signer)];
}

export async function consentTable(): Promise<Fuzzed[]> {
  const [entry = new Uint8Array()] = await entries();
  const root = consent.leafHash(entry);
  const checkpoint = await consent.signCheckpoint({ origin: ORIGIN, size: 1, root }, noteSigner);
  const checkpointText = consent.checkpointText({ origin: ORIGIN, size: 1, root });
  const stored = consent.formatStoredProof({ extra: entry, index: 0, path: [fixed(32, 6)], checkpoint });
  const request = consent.formatAddCheckpoint({ oldSize: 1, proof: [fixed(32, 7), fixed(32, 8)], checkpoint });
  const fork = consent.formatForkEvidence(vkey, checkpoint, checkpoint, [fixed(32, 7)]);
  const blob = (): never => {
    throw new Error("expected no blobs");
  };
  const bundle = Buffer.concat(
    await collect(consent.writeBundle({ vkey, entries: [entry], blobs: [], blob, checkpoint })),
  );
  const trust = JSON.stringify({ vkey, witnesses: [], quorum: 0, maximumSilenceMs: 5, subjectsWithKeys: [subject] });
  const text = (name: string, inputs: number, seeds: readonly string[], decode: (text: string) => unknown): Fuzzed => ({
    name,
    inputs,
    make: (draw) => mutateText(seeds, draw),
    valid: seeds,
    isRefusal: isLedger,
    decode: decode as (input: never) => unknown,
  });
  const witness = new consent.Witness({
    signer: consent.cosigner("witness.example.org", signer, () => 1),
    logs: [vkey],
    store: consent.memoryWitnessStore(),
    verifier,
    onFork: () => undefined,
  });
  const tileBytes = consent.tileBytes([fixed(32, 1), fixed(32, 2), fixed(32, 3)]);
  const entryBundle = consent.entryBundleBytes([entry, entry]);
  const keys = await consent.generateRecipient();
  const place = { log: ORIGIN, plan: consent.encodeBase64Url(fixed(32, 2)) };
  const view = await consent.sealView(utf8("[]"), [keys.publicKey], place);
  const box = await consent.sealTo(keys.publicKey, utf8("a key of the view"));
  const member = (fill: number, maskKey: string | null) => ({
    subject: consent.encodeBase64Url(fixed(16, fill)),
    consent: fill,
    join: consent.encodeBase64Url(fixed(64, fill)),
    maskKey,
  });
  const cohort = consent.cohortBlob([member(2, null), member(3, consent.encodeBase64Url(fixed(32, 9)))]);
  const subjectKey = fixed(32, 11);
  const payloadPlace = { log: ORIGIN, type: "consent.given", id: consent.encodeBase64Url(fixed(16, 5)) };
  const payload = consent.encryptPayload(payloadPlace, subjectKey, { a: 1 });
  const entryText = Buffer.from(entry).toString();
  return [
    text("parseNote", 60_000, [checkpoint], (note) => consent.parseNote(note)),
    text("parseCheckpointText", 60_000, [checkpointText], (it) =>
      same(consent.checkpointText(consent.parseCheckpointText(it)), it),
    ),
    text("parseVkey", 60_000, [vkey], (it) => same(consent.encodeVkey(consent.parseVkey(it)), it)),
    text("parseTilePath", 70_000, ["tile/0/x001/x234/067", "tile/1/000.p/7", "tile/entries/x001/067.p/255"], (it) =>
      same(consent.tilePath(consent.parseTilePath(it)), it),
    ),
    text("parseStoredProof", 15_000, [stored], (it) =>
      same(consent.formatStoredProof(consent.parseStoredProof(it)), it),
    ),
    text("parseAddCheckpoint", 50_000, [request], (it) =>
      same(consent.formatAddCheckpoint(consent.parseAddCheckpoint(it)), it),
    ),
    text("decodeBase64Url", 50_000, [subject, consent.encodeBase64Url(entry)], (it) =>
      same(consent.encodeBase64Url(consent.decodeBase64Url(it)), it),
    ),
    text("parseDecimal", 70_000, ["0.00001", "3.5", "1e+21", "123456789"], (it) => consent.parseDecimal(it)),
    {
      ...text("parseTrust", 10_000, [trust], (it) => consent.parseTrust(it)),
      make: (draw) => mutateJson([trust], draw),
    },
    {
      ...text("verifyForkEvidence", 2_000, [], (it) => consent.verifyForkEvidence(it, verifier)),
      make: (draw) => mutateJson([fork], draw),
    },
    {
      name: "parseEntry",
      inputs: 6_000,
      make: (draw) => (draw() < 0.5 ? mutateBytes([entry], draw) : utf8(mutateJson([entryText], draw))),
      valid: [entry],
      isRefusal: isLedger,
      decode: (bytes: Uint8Array) => same([...consent.entryBytes(consent.parseEntry(bytes))], [...bytes]),
    },
    {
      name: "parseCanonical",
      inputs: 40_000,
      make: (draw) => utf8(mutateJson(['{"a":[1,2,{"b":"c"}],"d":null}', "[]", '"x"'], draw)),
      valid: [utf8('{"a":[1,2,{"b":"c"}],"d":null}')],
      isRefusal: isLedger,
      decode: (bytes: Uint8Array) =>
        same(
          Buffer.from(
            consent.canonicalBytes(consent.parseCanonical(bytes, { maxBytes: 4_096, maxDepth: 8 })),
          ).toString(),
          Buffer.from(bytes).toString(),
        ),
    },
    {
      name: "parseTile",
      inputs: 40_000,
      make: (draw) => ({ bytes: mutateBytes([tileBytes], draw), width: below(draw, 5) }),
      valid: [{ bytes: tileBytes, width: 3 }],
      isRefusal: isLedger,
      decode: ({ bytes, width }: { bytes: Uint8Array; width: number }) =>
        same([...consent.tileBytes(consent.parseTile(bytes, width))], [...bytes]),
    },
    {
      name: "parseEntryBundle",
      inputs: 8_000,
      make: (draw) => ({ bytes: mutateBytes([entryBundle], draw), width: below(draw, 4) }),
      valid: [{ bytes: entryBundle, width: 2 }],
      isRefusal: isLedger,
      decode: ({ bytes, width }: { bytes: Uint8Array; width: number }) =>
        same([...consent.entryBundleBytes(consent.parseEntryBundle(bytes, width))], [...bytes]),
    },
    {
      name: "readBundle",
      inputs: 8_000,
      make: (draw) => mutateBytes([bundle], draw),
      valid: [bundle],
      isRefusal: isLedger,
      decode: async (bytes: Uint8Array) => {
        for await (const part of consent.readBundle([bytes])) if (part.type === "entry") consent.parseEntry(part.bytes);
      },
    },
    {
      name: "parseCohort",
      inputs: 10_000,
      make: (draw) =>
        draw() < 0.3 ? mutateBytes([cohort], draw) : utf8(mutateJson([Buffer.from(cohort).toString()], draw)),
      valid: [cohort],
      isRefusal: isLedger,
      decode: (bytes: Uint8Array) => same([...consent.cohortBlob(consent.parseCohort(bytes))], [...bytes]),
    },
    {
      name: "openSealed",
      inputs: 2_000,
      make: (draw) => mutateBytes([box], draw),
      valid: [box],
      isRefusal: isLedger,
      decode: (bytes: Uint8Array) => consent.openSealed(keys, bytes),
    },
    {
      name: "Witness.addCheckpoint",
      inputs: 10_000,
      make: (draw) => mutateText([request], draw),
      valid: [request],
      isRefusal: () => false,
      neverRefuses: true,
      decode: async (body: string) => {
        const { status } = await witness.addCheckpoint(body);
        if (status !== 200 && (status < 400 || status >= 500)) throw new Broken(`answered ${status}`);
      },
    },
    {
      name: "verifyBundle",
      neverRefuses: true,
      inputs: 1_500,
      make: (draw) => mutateBytes([bundle], draw),
      valid: [bundle],
      isRefusal: isLedger,
      decode: (bytes: Uint8Array) => consent.verifyBundle([bytes], { verifier }),
    },
    {
      name: "openView",
      inputs: 2_000,
      make: (draw) =>
        draw() < 0.5 ? mutateBytes([view], draw) : utf8(mutateJson([Buffer.from(view).toString()], draw)),
      valid: [view],
      isRefusal: isLedger,
      decode: (bytes: Uint8Array) => consent.openView(bytes, keys, place),
    },
    {
      name: "decryptPayload",
      inputs: 10_000,
      make: (draw) => ({
        ...payload,
        [one(draw, ["key", "ciphertext"])]: mutateText([payload.key, payload.ciphertext], draw),
      }),
      valid: [payload],
      isRefusal: isLedger,
      decode: (sealed: never) => consent.decryptPayload(payloadPlace, subjectKey, sealed),
    },
  ];
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const piece of source) all.push(piece);
  return all;
}
