import t from "tap";
import * as z from "zod";
import {
  cosigner,
  decodeUtf8,
  encodeVkey,
  LedgerError,
  noteSigner,
  openNote,
  parseNote,
  parseVkey,
  signatureLine,
  signNote,
  verifierKey,
} from "../../src/index.js";
import { generateNodeSigner, nodeSigner, nodeVerifier } from "../../src/index.node.js";
import { refuses, rejects } from "../refusals.js";
import { vectors } from "../vectors.js";

const verifier = nodeVerifier();

// The example of C2SP signed-note.
const exampleKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const exampleNote =
  "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

t.test("the example of the specification opens, and its key writes back as it was", async (t) => {
  const opened = await openNote(exampleNote, [parseVkey(exampleKey)], verifier);
  t.equal(opened.text, "This is an example message.\n");
  t.strictSame(
    opened.verified.map(({ key }) => key.name),
    ["example.com/foo"],
  );
  t.equal(encodeVkey(parseVkey(exampleKey)), exampleKey);
});

t.test("the published notes open or fail as published", async (t) => {
  const file = vectors("signed-note.json");
  if (file === undefined) return t.comment("the folder of reference vectors is absent");
  const { cases } = z
    .object({
      cases: z.array(
        z.object({
          desc: z.string(),
          wantErr: z.boolean(),
          vkey: z.optional(z.string()),
          vkeys: z.optional(z.array(z.string())),
          note: z.optional(z.string()),
          note_base64: z.optional(z.string()),
          unverified: z.optional(z.array(z.string())),
        }),
      ),
    })
    .parse(file);
  t.ok(cases.length >= 17);
  for (const vector of cases) {
    try {
      const keys = (vector.vkeys ?? (vector.vkey === undefined ? [] : [vector.vkey])).map(parseVkey);
      const note =
        vector.note ??
        (vector.note_base64 === undefined ? undefined : decodeUtf8(Buffer.from(vector.note_base64, "base64")));
      if (note === undefined) t.notOk(vector.wantErr, vector.desc);
      else {
        const opened = await openNote(note, keys, verifier);
        t.equal(vector.wantErr, false, vector.desc);
        t.strictSame(opened.unverified, vector.unverified ?? [], vector.desc);
      }
    } catch (error) {
      t.ok(vector.wantErr && error instanceof LedgerError, `${vector.desc}: ${String(error)}`);
    }
  }
});

t.test("the published cosignatures verify with their timestamps", async (t) => {
  const file = vectors("cosignature-v1.json");
  if (file === undefined) return t.comment("the folder of reference vectors is absent");
  const { cases } = z
    .object({ cases: z.array(z.object({ vkey: z.string(), checkpoint: z.string(), timestamp: z.string() })) })
    .parse(file);
  t.ok(cases.length >= 3);
  for (const { vkey, checkpoint, timestamp } of cases) {
    const { verified } = await openNote(checkpoint, [parseVkey(vkey)], verifier);
    t.equal(verified[0]?.timestampSeconds, Number(timestamp));
    const later = checkpoint.replace("\n300\n", "\n301\n");
    await rejects(t, "BAD_SIGNATURE", `${vkey} over another size`, () => openNote(later, [parseVkey(vkey)], verifier));
  }
});

t.test("a note signed by several opens for each of them and lists the others", async (t) => {
  const signers = ["one.example", "two.example", "three.example"].map((name) => noteSigner(name, generateNodeSigner()));
  const note = await signNote("A message\nof two lines\n", ...signers);
  for (const { key } of signers) {
    const opened = await openNote(note, [key], verifier);
    t.equal(opened.verified.length, 1);
    t.equal(opened.unverified.length, 2);
  }
  t.equal(
    (
      await openNote(
        note,
        signers.map(({ key }) => key),
        verifier,
      )
    ).verified.length,
    3,
  );
});

t.test("a second line of the same key adds nothing", async (t) => {
  const signer = noteSigner("one.example", nodeSigner(new Uint8Array(32).fill(7)));
  const note = await signNote("A message\n", signer, signer);
  t.equal((await openNote(note, [signer.key], verifier)).verified.length, 1);
});

t.test("a cosignature binds its time", async (t) => {
  const witness = cosigner("witness.example", generateNodeSigner(), () => 1_767_139_200);
  const note = await signNote("A message\n", witness);
  const { verified } = await openNote(note, [witness.key], verifier);
  t.equal(verified[0]?.timestampSeconds, 1_767_139_200);
  const line = await signatureLine("A message\n", witness);
  const bytes = Buffer.from(line.split(" ")[2] ?? "", "base64");
  bytes[11] = (bytes[11] ?? 0) ^ 1; // the last byte of the timestamp
  const forged = `A message\n\n— witness.example ${bytes.toString("base64")}\n`;
  await rejects(t, "BAD_SIGNATURE", "another time", () => openNote(forged, [witness.key], verifier));
});

t.test("malformed notes are refused", async (t) => {
  const [text, line] = exampleNote.split("\n\n");
  for (const note of [
    "",
    "\n",
    "\n\n",
    `${text}\n`,
    `${text}\n\n`,
    `${text}\n${line}`,
    `${text}\n\n${line}`.slice(0, -1),
    `${text}\n\n${line}\n`,
    `${text}\n\n-- example.com/foo Uw2QOkn8srU=\n`,
    `${text}\n\n— example.com/foo\n`,
    `${text}\n\n— example.com/foo Uw2Q\n`,
    `${text}\n\n— example+foo Uw2QOkn8srU=\n`,
    `${text}\n\n—  Uw2QOkn8srU=\n`,
    `\u0000${text}\n\n${line}`,
    `${text}\r\n\n${line}`,
    `\ud800${text}\n\n${line}`,
  ])
    refuses(t, "BAD_NOTE", JSON.stringify(note.slice(0, 60)), () => parseNote(note));
  refuses(t, "BAD_ENCODING", "base64 with line feed", () => parseNote(`${text}\n\n— example.com/foo Uw2QOkn8srV=\n`));
});

t.test("malformed verifier keys are refused", async (t) => {
  for (const vkey of [
    "",
    "name",
    "name+530d903a",
    exampleKey.replace("530d903a", "530d903b"),
    exampleKey.replace("530d903a", "530D903A"),
    exampleKey.replace("example.com", "example com"),
    exampleKey.replace("example.com/foo", ""),
    exampleKey.replace("+Aek", "+Auk"),
    `${exampleKey}\n`,
  ])
    t.throws(() => parseVkey(vkey), { name: "LedgerError" }, JSON.stringify(vkey));
  refuses(t, "BAD_KEY", "an all-zero key", () => verifierKey("a.example", new Uint8Array(32)));
  refuses(t, "BAD_NOTE", "a name with a plus sign", () => noteSigner("a+b", generateNodeSigner()));
  await rejects(t, "BAD_NOTE", "a text without newline", () => signNote("text", noteSigner("a", generateNodeSigner())));
});
