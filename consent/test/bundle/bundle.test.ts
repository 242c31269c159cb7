import fc from "fast-check";
import t from "tap";
import { type BundlePart, decodeUtf8, encodeUtf8, readBundle, sha256Text, writeBundle } from "../../src/index.js";
import { bundleOf, completeLog } from "../complete-log.js";
import { rejects } from "../refusals.js";

async function partsOf(pieces: Iterable<Uint8Array>): Promise<BundlePart[]> {
  const parts: BundlePart[] = [];
  for await (const part of readBundle(pieces)) parts.push(part);
  return parts;
}

t.test("a bundle reads back as it was written, in whatever pieces it arrives", async (t) => {
  const author = await completeLog();
  const bytes = await bundleOf(author);
  const parts = await partsOf([bytes]);
  t.strictSame(
    parts.flatMap((part) => (part.type === "entry" ? [decodeUtf8(part.bytes)] : [])),
    author.entries.map(decodeUtf8),
  );
  t.strictSame(
    parts.flatMap((part) => (part.type === "blob" ? [sha256Text(part.bytes)] : [])),
    author.blobs.map(sha256Text),
  );
  t.strictSame(parts.at(-1), { type: "checkpoint", checkpoint: await author.checkpoint() });
  const [header] = parts;
  t.equal(header?.type === "header" && header.header.entries, author.entries.length);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 4_000 }), { minLength: 1 }), async (lengths) => {
      const pieces: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const length = lengths[turn % lengths.length] ?? 1;
        pieces.push(bytes.subarray(at, at + length));
        at += length;
      }
      return (await partsOf(pieces)).length === parts.length;
    }),
    { seed: 6, numRuns: 30 },
  );
});

t.test("two bundles of one log are the same bytes", async (t) => {
  t.strictSame(await bundleOf(await completeLog()), await bundleOf(await completeLog()));
});

t.test("a bundle that would be incomplete is not written", async (t) => {
  const author = await completeLog();
  const checkpoint = await author.checkpoint();
  const drain = async (entries: readonly Uint8Array[], blob: (hash: string) => Uint8Array): Promise<void> => {
    const contents = {
      vkey: author.checkpointSigner.vkey,
      checkpoint,
      entries,
      blobs: [sha256Text(encodeUtf8("x"))],
      blob,
    };
    for await (const piece of writeBundle(contents)) void piece;
  };
  const other = (): Uint8Array => encodeUtf8("y");
  const [first = new Uint8Array(0)] = author.entries;
  await rejects(t, "BAD_BUNDLE", "an entry too few", () => drain(author.entries.slice(1), other));
  await rejects(t, "BAD_BUNDLE", "an entry too many", () => drain([...author.entries, first], other));
  await rejects(t, "BAD_BUNDLE", "another blob", () => drain(author.entries, other));
});

t.test("a broken frame is refused", async (t) => {
  const bytes = await bundleOf(await completeLog());
  const lines = decodeUtf8(bytes).split("\n").slice(0, -1);
  const joined = (kept: readonly string[]): Uint8Array => encodeUtf8(kept.map((line) => `${line}\n`).join(""));
  await rejects(t, "BAD_BUNDLE", "nothing", () => partsOf([]));
  await rejects(t, "BAD_BUNDLE", "a cut last line", () => partsOf([bytes.subarray(0, -1)]));
  await rejects(t, "BAD_BUNDLE", "a line too many", () => partsOf([joined([...lines, "{}"])]));
  await rejects(t, "BAD_BUNDLE", "a line too few", () => partsOf([joined(lines.slice(0, -1))]));
  await rejects(t, "BAD_BUNDLE", "an unknown format", () =>
    partsOf([joined(lines.map((line) => line.replace("bundle/v1", "bundle/v2")))]),
  );
  await rejects(t, "NOT_CANONICAL", "a header with a space", () => partsOf([encodeUtf8('{ "format":1}\n')]));
});

t.test("reading stops when aborted", async (t) => {
  const bytes = await bundleOf(await completeLog());
  await t.rejects(async () => {
    for await (const part of readBundle([bytes], AbortSignal.abort(new Error("stopped")))) void part;
  }, /stopped/);
});
