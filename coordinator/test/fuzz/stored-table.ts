/** Files and rows that lie about: backups, lists of the erased, witnesses' heads, data sets, and models of other tools. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { LedgerError } from "@fedloop/consent";
import { fileWitnessStore } from "@fedloop/consent/node";
import { Broken, type Draw, type Fuzzed, fixed, mutateBytes, mutateJson, mutateText, same, utf8 } from "@fedloop/fuzz";
import Sqlite from "better-sqlite3";
import * as z from "zod";
import { readCursor, writeCursor } from "../../src/admin/page.js";
import { ARCHIVED_KEYS, readArchive, readArchiveInfo } from "../../src/backup/archive.js";
import { readEventJson } from "../../src/cli/event-input.js";
import { CoordinatorError } from "../../src/errors.js";
import { encodeTfjsLayers } from "../../src/models/tfjs-layers.js";
import { httpAttestation } from "../../src/registry/attestation.js";
import { readRatings } from "../../src/simulation/ratings.js";
import { loadDataset } from "../../src/simulation/virtual/dataset.js";
import { Tombstones } from "../../src/vault/tombstones.js";

const isCoordinator = (cause: unknown): boolean => cause instanceof CoordinatorError;

/** A backup of a coordinator with nothing in it but what says that it is one. */
function smallArchive(folder: string): Uint8Array {
  const path = join(folder, "small.sqlite");
  const archive = new Sqlite(path);
  archive.exec(`
    create table backup_info (key text primary key, value text not null) strict;
    create table backup_keys (name text primary key, bytes blob not null) strict;
    create table backup_artifacts (sha256 blob not null, piece integer not null, bytes blob not null, primary key (sha256, piece)) strict;
    create table entries ("index" integer primary key, bytes blob not null) strict;`);
  const info = archive.prepare("insert into backup_info values (?, ?)");
  for (const [key, value] of Object.entries({ format: "1", origin: "o", created: "2026-01-01", entries: "0" }))
    info.run(key, value);
  for (const name of ARCHIVED_KEYS) archive.prepare("insert into backup_keys values (?, ?)").run(name, fixed(32, 1));
  const bytes = archive.serialize();
  archive.close();
  return bytes;
}

/** An IDX file of two images of 2 × 2, and its labels, as `loadDataset` reads them. */
function idx(magic: number, extents: readonly number[], bytes: readonly number[]): Uint8Array {
  const head = Buffer.alloc(4 + 4 * extents.length);
  head.writeUInt32BE(magic);
  for (const [i, extent] of extents.entries()) head.writeUInt32BE(extent, 4 + 4 * i);
  return Buffer.concat([head, Uint8Array.from(bytes)]);
}

/** Writes an input where its decoder looks for it. */
function inFile(folder: string, name: string): (bytes: Uint8Array | string) => string {
  const path = join(folder, name);
  return (bytes) => {
    writeFileSync(path, bytes);
    return path;
  };
}

export function storedTable(folder: string): Fuzzed[] {
  const archive = smallArchive(folder);
  const tombstone = `${JSON.stringify({ subject: "A".repeat(22), key: "B".repeat(43) })}\n`;
  const head = JSON.stringify({ origin: "o", size: 5, root: Buffer.from(fixed(32, 2)).toString("base64"), note: "n" });
  const ratings = "participant,item,rating\nada,one,4.5\nada,two,3\nbob,one,1\n";
  const pixels = idx(2_051, [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  const labels = idx(2_049, [2], [0, 9]);
  const dense = (name: string, units: number) => ({ class_name: "Dense", config: { name, units, use_bias: true } });
  const topology = JSON.stringify({ class_name: "Sequential", config: { name: "m", layers: [dense("a", 3)] } });
  const tensors = [
    { name: "kernel", shape: [2, 3] },
    { name: "bias", shape: [3] },
  ];
  const event = JSON.stringify({ type: "Gaussian", noiseMultiplier: 1 });
  const cursor = writeCursor(["lecturers", 7]);
  const writeArchive = inFile(folder, "backup.sqlite");
  const writeTombstones = inFile(folder, "erased.jsonl");
  const writeRatings = inFile(folder, "ratings.csv");
  const writeEvent = inFile(folder, "event.json");
  const heads = join(folder, "heads");
  mkdirSync(heads, { recursive: true });
  const images = join(folder, "images");
  mkdirSync(images, { recursive: true });
  let restored = 0;
  const witness = fileWitnessStore(heads);
  let headPath: string | undefined;
  const writeHead = async (text: Uint8Array | string): Promise<void> => {
    headPath ??= await firstHead(witness, heads);
    writeFileSync(headPath, text);
  };
  return [
    {
      name: "a backup",
      inputs: 1_000,
      make: (draw) => mutateBytes([archive], draw),
      valid: [archive],
      isRefusal: isCoordinator,
      decode: (bytes: Uint8Array) => {
        const path = writeArchive(bytes);
        const info = readArchiveInfo(path);
        const database = join(folder, `restored-${restored++}.sqlite`);
        const read = readArchive(
          path,
          { database, key: () => undefined, artifact: () => undefined },
          new AbortController().signal,
        );
        same(read, info);
      },
    },
    {
      name: "Tombstones",
      inputs: 500,
      make: (draw) =>
        draw() < 0.5 ? mutateText([tombstone + tombstone], draw) : `${mutateJson([tombstone.trim()], draw)}\n`,
      valid: [tombstone, ""],
      isRefusal: isCoordinator,
      decode: async (text: string) => [...(await Tombstones.open(writeTombstones(text))).all()],
    },
    {
      name: "a witness's head",
      inputs: 600,
      make: (draw) => (draw() < 0.5 ? mutateBytes([utf8(head)], draw) : utf8(mutateJson([head], draw))),
      valid: [utf8(head)],
      isRefusal: (cause) => cause instanceof LedgerError,
      decode: async (bytes: Uint8Array) => {
        await writeHead(bytes);
        return witness.latest("o");
      },
    },
    {
      name: "readRatings",
      inputs: 600,
      make: (draw) => mutateText([ratings], draw),
      valid: [ratings],
      isRefusal: isCoordinator,
      decode: async (text: string) => {
        const { items, participants } = await readRatings(writeRatings(text), {
          participant: "participant",
          item: "item",
          rating: "rating",
        });
        for (const { items: own } of participants)
          if (own.some((item) => item >= items.length)) throw new Broken("no such item");
      },
    },
    {
      name: "loadDataset of images",
      inputs: 300,
      make: (draw: Draw) => [mutateBytes([pixels], draw), draw() < 0.5 ? labels : mutateBytes([labels], draw)],
      valid: [[pixels, labels]],
      isRefusal: isCoordinator,
      decode: async ([images3d, classes]: readonly [Uint8Array, Uint8Array]) => {
        for (const name of ["train", "t10k"]) {
          writeFileSync(join(images, `${name}-images-idx3-ubyte.gz`), gzipSync(images3d));
          writeFileSync(join(images, `${name}-labels-idx1-ubyte.gz`), gzipSync(classes));
        }
        const { train } = await loadDataset({ type: "fashion-mnist", folder: images }, 1);
        if (train.features.length !== train.width * train.labels.length) throw new Broken("images of another size");
      },
    },
    {
      name: "encodeTfjsLayers",
      inputs: 5_000,
      make: (draw) => mutateJson([topology], draw),
      valid: [topology],
      isRefusal: isCoordinator,
      decode: (text: string) => void encodeTfjsLayers({ tensors, parameters: new Float32Array(9), metadata: {} }, text),
    },
    {
      name: "readCursor",
      inputs: 4_000,
      make: (draw) =>
        draw() < 0.5
          ? mutateText([cursor], draw)
          : Buffer.from(mutateJson(['["lecturers",7]'], draw)).toString("base64url"),
      valid: [cursor],
      isRefusal: isCoordinator,
      decode: (text: string) => {
        const place = readCursor(text, z.tuple([z.string(), z.number()]));
        same(readCursor(writeCursor(place ?? []), z.tuple([z.string(), z.number()])), place);
      },
    },
    {
      name: "readEventJson",
      inputs: 800,
      make: (draw) => (draw() < 0.5 ? mutateBytes([utf8(event)], draw) : utf8(mutateJson([event], draw))),
      valid: [utf8(event)],
      isRefusal: isCoordinator,
      decode: async (bytes: Uint8Array) => {
        const surroundings = { input: () => process.stdin } as unknown as Parameters<typeof readEventJson>[1];
        await readEventJson(writeEvent(bytes), surroundings);
      },
    },
    {
      name: "an attestation service's answer",
      inputs: 800,
      make: (draw) => mutateJson(['{"genuine":true}'], draw),
      valid: ['{"genuine":true}'],
      isRefusal: isCoordinator,
      decode: async (text: string) => {
        const check = httpAttestation({
          url: "https://a.example.org",
          timeoutMs: 1_000,
          fetch: async () => new Response(text),
        });
        const isGenuine = await check.isGenuine("s", { population: "p", publicKey: fixed(32, 1) });
        if (isGenuine !== JSON.parse(text).genuine) throw new Broken("another answer than came");
      },
    },
  ];
}

/** Where the store keeps the head of the log "o". */
async function firstHead(witness: ReturnType<typeof fileWitnessStore>, folder: string): Promise<string> {
  await witness.advance("o", 0, { size: 1, root: fixed(32, 2), note: "n" });
  const [name] = readdirSync(folder);
  if (name === undefined) throw new Error("expected a head");
  return join(folder, name);
}
