import t from "tap";
import {
  type Checkpoint,
  checkpointText,
  cosigner,
  emptyRoot,
  noteSigner,
  openCheckpoint,
  parseCheckpointText,
  readUnverifiedCheckpoint,
  signatureLine,
  signCheckpoint,
  signNote,
} from "../../src/index.js";
import { generateNodeSigner, nodeVerifier } from "../../src/index.node.js";
import { refuses, rejects } from "../refusals.js";

const verifier = nodeVerifier();
const log = noteSigner("log.example/2026", generateNodeSigner());
const checkpoint: Checkpoint = { origin: "log.example/2026", size: 12, root: emptyRoot() };

t.test("a checkpoint of a public log is read (sum.golang.org, size 6476701)", async (t) => {
  const note =
    "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=\n";
  const { origin, size } = readUnverifiedCheckpoint(note);
  t.strictSame([origin, size], ["go.sum database tree", 6_476_701]);
  // fedloop demands that a log's name is its key's name, so that a key cannot speak for two logs.
  await rejects(t, "BAD_CHECKPOINT", "an origin that is not the key's name", () =>
    openCheckpoint(note, { vkey: "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8" }, verifier),
  );
});

t.test("a signed checkpoint opens with the log's key and with no other", async (t) => {
  const note = await signCheckpoint(checkpoint, log);
  t.strictSame(await openCheckpoint(note, { vkey: log.vkey }, verifier), { ...checkpoint, witnesses: [] });
  const other = noteSigner("log.example/2026", generateNodeSigner());
  await rejects(t, "BAD_NOTE", "another key", () => openCheckpoint(note, { vkey: other.vkey }, verifier));
  await rejects(t, "BAD_SIGNATURE", "another size", () =>
    openCheckpoint(note.replace("\n12\n", "\n13\n"), { vkey: log.vkey }, verifier),
  );
});

t.test("a checkpoint of one origin signed under another name is refused on both sides", async (t) => {
  const foreign = { ...checkpoint, origin: "other.example" };
  await rejects(t, "BAD_CHECKPOINT", "when signing", () => signCheckpoint(foreign, log));
  const note = await signNote(checkpointText(foreign), log);
  await rejects(t, "BAD_CHECKPOINT", "when opening", () => openCheckpoint(note, { vkey: log.vkey }, verifier));
});

t.test("a quorum of witnesses is counted among those named, each once", async (t) => {
  const witnesses = [1, 2, 3].map((at) => cosigner(`witness${at}.example`, generateNodeSigner(), () => 1_000 + at));
  const text = checkpointText(checkpoint);
  const [first, second, third] = await Promise.all(witnesses.map((witness) => signatureLine(text, witness)));
  const names = witnesses.map(({ vkey }) => vkey);
  const note = `${await signCheckpoint(checkpoint, log)}${first}${first}${second}`;
  const opened = await openCheckpoint(note, { vkey: log.vkey, witnesses: names, quorum: 2 }, verifier);
  t.strictSame(opened.witnesses, [
    { name: "witness1.example", timestampSeconds: 1_001 },
    { name: "witness2.example", timestampSeconds: 1_002 },
  ]);
  await rejects(t, "BAD_CHECKPOINT", "three wanted", () =>
    openCheckpoint(note, { vkey: log.vkey, witnesses: names, quorum: 3 }, verifier),
  );
  await rejects(t, "BAD_CHECKPOINT", "signatures of strangers do not count", () =>
    openCheckpoint(`${note}${third}`, { vkey: log.vkey, witnesses: names.slice(0, 1), quorum: 2 }, verifier),
  );
  await rejects(t, "BAD_SIGNATURE", "witnesses without the log", () =>
    openCheckpoint(`${text}\n${first}${second}`, { vkey: log.vkey, witnesses: names, quorum: 2 }, verifier),
  );
});

t.test("checkpoint texts other than three strict lines are refused", async (t) => {
  const root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  for (const text of [
    "",
    "a\n1\n",
    `a\n1\n${root}`,
    `a\n1\n${root}\nextension\n`,
    `a\n1\n${root}\n\n`,
    `\n1\n${root}\n`,
    `a\n\n${root}\n`,
    `a\n007\n${root}\n`,
    `a\n0x10\n${root}\n`,
    `a\n-5\n${root}\n`,
    `a\n+5\n${root}\n`,
    `a\n1e3\n${root}\n`,
    `a\n5.0\n${root}\n`,
    `a\n 5\n${root}\n`,
    `a\n9007199254740992\n${root}\n`,
    `a\n18446744073709551616\n${root}\n`,
    `a\n1\n${root.slice(0, -1)}\n`,
    `a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n`,
    "a\n1\nAAAA\n",
    "a\n1\n\n",
    `a\r\n1\n${root}\n`,
  ])
    refuses(t, "BAD_CHECKPOINT", JSON.stringify(text), () => parseCheckpointText(text));
  t.strictSame(parseCheckpointText(`a\n0\n${root}\n`), { origin: "a", size: 0, root: emptyRoot() });
});

t.test("impossible checkpoints cannot be written", async (t) => {
  for (const bad of [
    { ...checkpoint, size: -1 },
    { ...checkpoint, size: 1.5 },
    { ...checkpoint, root: new Uint8Array(31) },
    { ...checkpoint, origin: "" },
    { ...checkpoint, origin: "two words" },
  ])
    refuses(t, "BAD_CHECKPOINT", JSON.stringify(bad.origin + bad.size), () => checkpointText(bad));
});
