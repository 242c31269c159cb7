import t from "tap";
import * as z from "zod";
import {
  entryBundleBytes,
  parseEntryBundle,
  parseTile,
  parseTilePath,
  tileAt,
  tileBytes,
  tilePath,
} from "../../src/index.js";
import { refuses } from "../refusals.js";
import { vectors } from "../vectors.js";

t.test("paths are those of C2SP tlog-tiles", async (t) => {
  t.equal(tilePath({ level: 0, index: 1_234_067n, width: 256 }), "tile/0/x001/x234/067");
  t.equal(tilePath({ level: 0, index: 1_234_067n, width: 8 }), "tile/0/x001/x234/067.p/8");
  t.equal(tilePath({ level: "entries", index: 0n, width: 256 }), "tile/entries/000");
  t.strictSame(parseTilePath("tile/63/x999/x999/x999/x999/x999/999.p/255"), {
    level: 63,
    index: 999_999_999_999_999_999n,
    width: 255,
  });
});

t.test("the published paths are written and parsed as published", async (t) => {
  const file = vectors("tile-paths.json");
  if (file === undefined) return t.comment("the folder of reference vectors is absent");
  const {
    tilePath: paths,
    entriesPathForIndex,
    parse,
  } = z
    .object({
      tilePath: z.array(z.object({ level: z.number(), index: z.number(), p: z.number(), path: z.string() })),
      entriesPathForIndex: z.array(z.object({ seq: z.number(), logSize: z.number(), path: z.string() })),
      parse: z.array(
        z.object({
          pathLevel: z.string(),
          pathIndex: z.string(),
          level: z.optional(z.string()),
          index: z.optional(z.string()),
          p: z.optional(z.number()),
          wantErr: z.optional(z.boolean()),
        }),
      ),
    })
    .parse(file);
  for (const { level, index, p, path } of paths)
    t.equal(tilePath({ level, index: BigInt(index), width: p === 0 ? 256 : p }), path);
  for (const { seq, logSize, path } of entriesPathForIndex) t.equal(tilePath(tileAt("entries", seq, logSize)), path);
  for (const { pathLevel, pathIndex, level, index, p, wantErr } of parse) {
    const path = `tile/${pathLevel}/${pathIndex}`;
    if (wantErr === true) refuses(t, "BAD_TILE", path, () => parseTilePath(path));
    else
      t.strictSame(
        parseTilePath(path),
        { level: Number(level), index: BigInt(index ?? -1), width: p === 0 || p === undefined ? 256 : p },
        path,
      );
  }
});

t.test("paths spelled any other way are refused", async (t) => {
  for (const path of [
    "",
    "tile/0/0",
    "tile/0/00",
    "tile/0/0000",
    "tile/00/000",
    "tile/64/000",
    "tile/-1/000",
    "tile/0/x000/001",
    "tile/0/x000/x001/000",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/08",
    "tile/0/000.p/",
    "tile/0/001/",
    "/tile/0/001",
    "tile/0/../000",
    "tile/entry/000",
    "tile/0/x1/000",
    "tile/0/000\n",
  ])
    refuses(t, "BAD_TILE", JSON.stringify(path), () => parseTilePath(path));
  refuses(t, "BAD_TILE", "level 64", () => tilePath({ level: 64, index: 0n, width: 1 }));
  refuses(t, "BAD_TILE", "width 0", () => tilePath({ level: 0, index: 0n, width: 0 }));
  refuses(t, "BAD_TILE", "width 257", () => tilePath({ level: 0, index: 0n, width: 257 }));
  refuses(t, "BAD_TILE", "a negative index", () => tilePath({ level: 0, index: -1n, width: 1 }));
});

t.test("each position of a log has its tile", async (t) => {
  t.strictSame(tileAt(0, 256, 257), { level: 0, index: 1n, width: 1 });
  t.strictSame(tileAt(1, 0, 257), { level: 1, index: 0n, width: 1 });
  t.strictSame(tileAt(1, 0, 65_536), { level: 1, index: 0n, width: 256 });
  refuses(t, "OUT_OF_RANGE", "past the log", () => tileAt(0, 257, 257));
  refuses(t, "OUT_OF_RANGE", "a hash not complete yet", () => tileAt(1, 0, 255));
});

t.test("tiles and bundles come back from their bytes, and cut or longer bytes are refused", async (t) => {
  const hashes = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte));
  t.strictSame(parseTile(tileBytes(hashes), 3), hashes);
  refuses(t, "BAD_TILE", "a tile of another width", () => parseTile(tileBytes(hashes), 2));
  refuses(t, "BAD_TILE", "no hashes", () => tileBytes([]));
  refuses(t, "BAD_TILE", "a short hash", () => tileBytes([new Uint8Array(31)]));

  const entries = [new Uint8Array(0), new Uint8Array(65_535).fill(1), new Uint8Array([1, 2])];
  const bytes = entryBundleBytes(entries);
  t.strictSame(parseEntryBundle(bytes, 3), entries);
  refuses(t, "BAD_TILE", "another width", () => parseEntryBundle(bytes, 4));
  for (const cut of [1, 3, 5]) refuses(t, "BAD_TILE", `cut by ${cut}`, () => parseEntryBundle(bytes.slice(0, -cut), 3));
  refuses(t, "TOO_LARGE", "an entry of 65 536 bytes", () => entryBundleBytes([new Uint8Array(65_536)]));
});
