/** The table of all decoders that read what others wrote, with their seed corpus. */
import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { ClientError, readModel } from "@fedloop/client-runtime";
import * as consent from "@fedloop/consent";
import { nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import {
  decimalDpEvent,
  PrivacyError,
  packSigned,
  parseDecimalDpEvent,
  parseDpEvent,
  unpackSigned,
} from "@fedloop/privacy";
import {
  packResidues,
  rebuildSecret,
  requirePacked,
  SecAggError,
  type Share,
  shareSecret,
  unpackResidues,
} from "@fedloop/privacy/secagg";
import * as proto from "@fedloop/proto";
import { parseConfig } from "../../src/config/config.js";
import { parseListen } from "../../src/config/listen.js";
import { parseYaml } from "../../src/config/yaml-document.js";
import { CoordinatorError } from "../../src/errors.js";
import { addressKey } from "../../src/limits/call-limits.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/models/safetensors.js";
import { parsePlan } from "../../src/plan/load.js";
import { Broken, type Fuzzed } from "./decoder.js";
import { below, type Draw, mutateBytes, mutateJson, mutateText, one } from "./mutation.js";

const { LedgerError } = consent;

const isLedger = (cause: unknown): boolean => cause instanceof LedgerError;
const isPrivacy = (cause: unknown): boolean => cause instanceof PrivacyError;
const isSecAgg = (cause: unknown): boolean => cause instanceof SecAggError;
const isCoordinator = (cause: unknown): boolean => cause instanceof CoordinatorError;
/** Protocol Buffers' own reader throws plain errors; what is not told from them is a stack or a heap that ran out. */
const isProtobuf = (cause: unknown): boolean =>
  cause instanceof Error && !/call stack|heap|allocation/i.test(cause.message);

function same(what: unknown, again: unknown): void {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_name, inner: unknown) => (typeof inner === "bigint" ? `${inner}n` : inner)) ?? "undefined";
  if (text(what) !== text(again))
    throw new Broken(`came ${text(what).slice(0, 500)}, went out as ${text(again).slice(0, 500)}`);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Random bytes of the corpus are fixed: made by hashing, not drawn. */
function fixed(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (Math.imul(i + 1, 2654435761) + Math.imul(salt, 40503)) >>> 13);
}

const signer = nodeSigner(fixed(32, 1));
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

type Seeds = readonly Uint8Array[];

/** A message with something in every field, by its descriptor. */
function sample(schema: DescMessage, salt: number, depth = 0): Message {
  const init: Record<string, unknown> = {};
  for (const field of schema.fields) {
    const value = sampleValue(field, salt + field.number, depth);
    if (value === undefined) continue;
    if (field.oneof !== undefined) init[field.oneof.localName] = { case: field.localName, value };
    else init[field.localName] = field.fieldKind === "list" ? [value, value] : value;
  }
  return proto.messageOf(schema, init as never);
}

function sampleValue(field: DescMessage["fields"][number], salt: number, depth: number): unknown {
  if (field.message !== undefined) return depth > 4 ? undefined : sample(field.message, salt, depth + 1);
  if (field.enum !== undefined) return 1;
  const [, kind] = /\b(bytes|string|bool|uint64|uint32)\b/.exec(String(SCALAR[field.scalar ?? 0])) ?? [];
  if (kind === "bytes") return fixed(salt % 40, salt);
  if (kind === "string") return `text ${salt}`;
  if (kind === "bool") return true;
  return kind === "uint64" ? BigInt(salt) * 1_000_003n : salt * 7;
}

/** Names of descriptor.proto's scalar types that the contract uses. */
const SCALAR: Readonly<Record<number, string>> = { 4: "uint64", 8: "bool", 9: "string", 12: "bytes", 13: "uint32" };

function isSchema(value: unknown): value is DescMessage {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "message";
}

function messages(): Fuzzed[] {
  const schemas = Object.values(proto as Record<string, unknown>).filter(isSchema);
  return schemas.map((schema): Fuzzed => {
    const seeds: Seeds = [1, 2, 3].map((salt) => proto.encodeMessage(schema, sample(schema, salt)));
    return {
      name: schema.typeName,
      inputs: 8_000,
      make: (draw) => mutateBytes(seeds, draw),
      valid: seeds,
      isRefusal: isProtobuf,
      decode: (bytes: Uint8Array) => {
        const message = proto.decodeMessage(schema, bytes);
        const again = proto.encodeMessage(schema, message);
        same(proto.decodeMessage(schema, again), message);
        // What the server's decoder takes, from the same bytes.
        fromBinary(schema, bytes);
        const parts = proto.signedParts(schema, bytes);
        if (parts.reduce((sum, { length }) => sum + length, 0) > bytes.length)
          throw new Broken("more is signed than came");
      },
    };
  });
}

function vectors(): Fuzzed[] {
  const signed = { values: Int32Array.from([-4, 3, 0, -1, 2, 1, 3]), bits: 3 };
  const residues = { values: Uint32Array.from([0, 1, 2 ** 20 - 1, 77, 4, 5]), bits: 20 };
  const packedSigned = packSigned(signed.values, signed.bits);
  const packedResidues = packResidues(residues.values, residues.bits);
  const shape = (draw: Draw, length: number, bits: number) => ({
    length: draw() < 0.7 ? length : one(draw, [0, 1, -1, 0.5, length + 1, 2 ** 31, 2 ** 53, Number.NaN]),
    bits: draw() < 0.7 ? bits : one(draw, [0, 1, 2, 16, 31, 32, 33, -1, 1.5]),
  });
  return [
    {
      name: "unpackSigned",
      inputs: 120_000,
      make: (draw) => ({ bytes: mutateBytes([packedSigned], draw), ...shape(draw, 7, 3) }),
      valid: [{ bytes: packedSigned, length: 7, bits: 3 }],
      isRefusal: isPrivacy,
      decode: ({ bytes, length, bits }: { bytes: Uint8Array; length: number; bits: number }) =>
        same([...packSigned(unpackSigned(bytes, length, bits), bits)], [...bytes]),
    },
    {
      name: "unpackResidues",
      inputs: 120_000,
      // Length and bits are a plan's, which was checked.
      make: (draw) => ({
        bytes: mutateBytes([packedResidues], draw),
        length: one(draw, [0, 1, 5, 6, 6, 6, 7]),
        bits: one(draw, [1, 8, 16, 19, 20, 20, 20, 21, 32]),
      }),
      valid: [{ bytes: packedResidues, length: 6, bits: 20 }],
      isRefusal: isSecAgg,
      decode: ({ bytes, length, bits }: { bytes: Uint8Array; length: number; bits: number }) => {
        requirePacked(bytes, length, bits);
        same([...packResidues(unpackResidues(bytes, length, bits), bits)], [...bytes]);
      },
    },
  ];
}

function shares(): Fuzzed {
  const sharing = { threshold: 2, holders: 3 };
  let next = 0;
  const counted = { fill: (bytes: Uint8Array): void => bytes.set(fixed(bytes.length, next++)) };
  const dealt = shareSecret(fixed(32, 9), sharing, counted);
  return {
    name: "rebuildSecret",
    inputs: 30_000,
    make: (draw) =>
      Array.from({ length: below(draw, 5) }, () => ({
        x: one(draw, [0, 1, 2, 3, 4, -1, 1.5, 2 ** 40]),
        value: draw() < 0.5 ? one(draw, dealt) : mutateBytes(dealt, draw),
      })),
    valid: [[0, 2].map((index) => ({ x: index + 1, value: dealt[index] }))],
    isRefusal: isSecAgg,
    // Changed shares rebuild another secret, of which only the form can be checked: that is why it is committed to.
    decode: (all: readonly Share[]) => {
      if (rebuildSecret(all, sharing).length !== all[0]?.value.length) throw new Broken("a secret of another length");
    },
  };
}

async function ledger(): Promise<Fuzzed[]> {
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
    text("parseTilePath", 90_000, ["tile/0/x001/x234/067", "tile/1/000.p/7", "tile/entries/x001/067.p/255"], (it) =>
      same(consent.tilePath(consent.parseTilePath(it)), it),
    ),
    text("parseStoredProof", 50_000, [stored], (it) =>
      same(consent.formatStoredProof(consent.parseStoredProof(it)), it),
    ),
    text("parseAddCheckpoint", 50_000, [request], (it) =>
      same(consent.formatAddCheckpoint(consent.parseAddCheckpoint(it)), it),
    ),
    text("decodeBase64Url", 60_000, [subject, consent.encodeBase64Url(entry)], (it) =>
      same(consent.encodeBase64Url(consent.decodeBase64Url(it)), it),
    ),
    text("parseDecimal", 90_000, ["0.00001", "3.5", "1e+21", "123456789"], (it) => consent.parseDecimal(it)),
    {
      ...text("parseTrust", 10_000, [trust], (it) => consent.parseTrust(it)),
      make: (draw) => mutateJson([trust], draw),
    },
    {
      ...text("verifyForkEvidence", 4_000, [], (it) => consent.verifyForkEvidence(it, verifier)),
      make: (draw) => mutateJson([fork], draw),
    },
    {
      name: "parseEntry",
      inputs: 20_000,
      make: (draw) => (draw() < 0.5 ? mutateBytes([entry], draw) : utf8(mutateJson([entryText], draw))),
      valid: [entry],
      isRefusal: isLedger,
      decode: (bytes: Uint8Array) => same([...consent.entryBytes(consent.parseEntry(bytes))], [...bytes]),
    },
    {
      name: "parseCanonical",
      inputs: 60_000,
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
      inputs: 80_000,
      make: (draw) => ({ bytes: mutateBytes([tileBytes], draw), width: below(draw, 5) }),
      valid: [{ bytes: tileBytes, width: 3 }],
      isRefusal: isLedger,
      decode: ({ bytes, width }: { bytes: Uint8Array; width: number }) =>
        same([...consent.tileBytes(consent.parseTile(bytes, width))], [...bytes]),
    },
    {
      name: "parseEntryBundle",
      inputs: 40_000,
      make: (draw) => ({ bytes: mutateBytes([entryBundle], draw), width: below(draw, 4) }),
      valid: [{ bytes: entryBundle, width: 2 }],
      isRefusal: isLedger,
      decode: ({ bytes, width }: { bytes: Uint8Array; width: number }) =>
        same([...consent.entryBundleBytes(consent.parseEntryBundle(bytes, width))], [...bytes]),
    },
    {
      name: "readBundle",
      inputs: 20_000,
      make: (draw) => mutateBytes([bundle], draw),
      valid: [bundle],
      isRefusal: isLedger,
      decode: async (bytes: Uint8Array) => {
        for await (const part of consent.readBundle([bytes])) if (part.type === "entry") consent.parseEntry(part.bytes);
      },
    },
    {
      name: "Witness.addCheckpoint",
      inputs: 10_000,
      make: (draw) => mutateText([request], draw),
      valid: [request],
      isRefusal: () => false,
      decode: async (body: string) => {
        const { status } = await witness.addCheckpoint(body);
        if (status !== 200 && (status < 400 || status >= 500)) throw new Broken(`answered ${status}`);
      },
    },
    {
      name: "verifyBundle",
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

function events(): Fuzzed[] {
  const gaussian = { type: "Gaussian", noiseMultiplier: 1.5 };
  const seeds = [
    gaussian,
    { type: "Composed", events: [gaussian, { type: "SelfComposed", count: 10, event: gaussian }] },
    { type: "PoissonSampled", samplingProbability: 0.1, event: gaussian },
    { type: "DiscreteGaussian", sigma: 3, sensitivity: 1, dimension: 5 },
    { type: "TreeAggregation", noiseMultiplier: 2, steps: 8, minSeparation: 2, maxParticipations: 3 },
    { type: "ZCdp", rho: 0.5, xi: 0 },
  ].map((event) => JSON.stringify(event));
  const decimals = seeds.map((text) => JSON.stringify(decimalDpEvent(parseDpEvent(JSON.parse(text)))));
  const make = (texts: readonly string[]) => (draw: Draw) => {
    const text = mutateJson(texts, draw);
    return isTaken(() => JSON.parse(text)) ? text : "null";
  };
  return [
    {
      name: "parseDpEvent",
      inputs: 20_000,
      make: make(seeds),
      valid: seeds,
      isRefusal: isPrivacy,
      decode: (text: string) => {
        const event = parseDpEvent(JSON.parse(text));
        same(parseDpEvent(JSON.parse(JSON.stringify(event))), event);
      },
    },
    {
      name: "parseDecimalDpEvent",
      inputs: 20_000,
      make: make(decimals),
      valid: decimals,
      isRefusal: isPrivacy,
      decode: (text: string) => {
        const event = parseDecimalDpEvent(JSON.parse(text));
        same(parseDecimalDpEvent(decimalDpEvent(event)), event);
      },
    },
  ];
}

function isTaken(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

function models(): Fuzzed[] {
  const tensors = [
    { name: "a", shape: [2, 3] },
    { name: "b", shape: [1] },
  ];
  const file = encodeSafetensors({ tensors, parameters: new Float32Array(7).fill(0.5), metadata: { round: "3" } });
  const headerBytes = new DataView(file.buffer).getUint32(0, true);
  const header = Buffer.from(file.subarray(8, 8 + headerBytes))
    .toString()
    .trim();
  const make = (draw: Draw): Uint8Array => {
    if (draw() < 0.5) return mutateBytes([file], draw);
    const changed = utf8(mutateJson([header], draw));
    const length = new Uint8Array(8);
    new DataView(length.buffer).setUint32(0, changed.length, true);
    return Buffer.concat([length, changed, file.subarray(8 + headerBytes)]);
  };
  return [
    {
      name: "decodeSafetensors",
      inputs: 20_000,
      make,
      valid: [file],
      isRefusal: isCoordinator,
      decode: (bytes: Uint8Array) => {
        const decoded = decodeSafetensors(bytes);
        same([...decodeSafetensors(encodeSafetensors(decoded)).parameters], [...decoded.parameters]);
      },
    },
    {
      name: "readModel",
      inputs: 15_000,
      make,
      valid: [file],
      isRefusal: (cause) => cause instanceof ClientError,
      decode: (bytes: Uint8Array) => readModel(bytes),
    },
  ];
}

export const PLAN_SEED = `population: lecturers
controller: Example University
purpose: lecture-recommendations
notice: { file: notice.md }
language: en
dataCategories: [lecture ratings]
model: { tensors: { effects: [20] } }
trainer: { id: biased-factorisation, settings: { base: 3 } }
rounds: 2
cohort: { target: 12, minimum: 10 }
deadlines: { selection: 30s, report: 30s }
privacy: { mechanism: none, reason: a test }
secureAggregation: { enabled: false, reason: a test }
`;

const CONFIG_SEED = `origin: coordinator.example.org/lecturers
plans: [plan.yaml]
listen: { host: 127.0.0.1, port: 7443 }
http: { port: 7480, corsOrigins: ["https://app.example.org"] }
tls: { cert: cert.pem, key: key.pem, reload: 10s }
enrolment:
  mode: token
  tokens:
    - { sha256: ${"ab".repeat(32)}, expires: 2026-12-31T23:59:59Z }
witnesses:
  quorum: 1
  members:
    - { key: ${consent.cosigner("witness.example.org", signer, () => 0).vkey}, url: "https://witness.example.org" }
limits: { concurrentUploads: 4, perIdentity: { perSecond: 5 } }
`;

/** @param folder with the notice that the plan names */
function written(folder: string): Fuzzed[] {
  return [
    {
      name: "parseYaml",
      inputs: 2_000,
      make: (draw) => mutateText([CONFIG_SEED, PLAN_SEED], draw),
      valid: [CONFIG_SEED, PLAN_SEED],
      isRefusal: isCoordinator,
      decode: (text: string) => parseYaml("file.yaml", text, "BAD_CONFIG"),
    },
    {
      name: "parseConfig",
      inputs: 2_000,
      make: (draw) => mutateText([CONFIG_SEED], draw),
      valid: [CONFIG_SEED],
      isRefusal: isCoordinator,
      decode: (text: string) => parseConfig("fedloop.yaml", text, "/srv", {}),
    },
    {
      name: "parsePlan",
      inputs: 2_000,
      make: (draw) => mutateText([PLAN_SEED], draw),
      valid: [PLAN_SEED],
      isRefusal: isCoordinator,
      decode: (text: string) => parsePlan("plan.yaml", text, folder),
    },
    {
      name: "parseListen",
      inputs: 40_000,
      make: (draw) => mutateText(["127.0.0.1:7443", "[::1]:80"], draw),
      valid: ["127.0.0.1:7443", "[::1]:80"],
      isRefusal: isCoordinator,
      decode: (text: string) => parseListen(text, "FEDLOOP_LISTEN"),
    },
    {
      name: "addressKey",
      inputs: 40_000,
      make: (draw) => mutateText(["192.0.2.7:51000", "[2001:db8::9%eth0]:443", "::ffff:192.0.2.7"], draw),
      valid: ["192.0.2.7:51000"],
      isRefusal: () => false,
      decode: (text: string) => addressKey(text),
    },
  ];
}

export async function decoders(folder: string): Promise<Fuzzed[]> {
  return [...messages(), ...vectors(), shares(), ...(await ledger()), ...events(), ...models(), ...written(folder)];
}
