import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import t from "tap";
import {
  Artifacts,
  encodeRequest,
  LeaveRequestSchema,
  Rounds,
  SubmitMaskedRequestSchema,
  signedParts,
  UploadChunkRequestSchema,
} from "../src/index.js";

const { uploadChunk } = Artifacts.method;
const { leave, submitMasked } = Rounds.method;
const data = Uint8Array.of(1, 2, 3, 4, 5);
const fields = { population: "p", round: 1n, data, sha256: new Uint8Array(32).fill(9) };
const chunk = create(UploadChunkRequestSchema, fields);

function joined(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

t.test("what is signed of a chunk is all of it but its bytes, wherever they stand", async (t) => {
  const { body, signed } = encodeRequest(UploadChunkRequestSchema, chunk);
  t.same(fromBinary(UploadChunkRequestSchema, body), chunk, "it says what it said");
  t.ok(joined(signedParts(uploadChunk, body)).equals(joined(signed)), "both ends sign the same");
  t.equal(joined(signed).length, body.length - data.length);
  const inOrder = toBinary(UploadChunkRequestSchema, chunk);
  t.notSame(Buffer.from(inOrder), Buffer.from(body));
  const [before = new Uint8Array(), after = new Uint8Array()] = signedParts(uploadChunk, inOrder);
  t.ok(joined([before, data, after]).equals(Buffer.from(inOrder)));
});

t.test("the digest that stands for the bytes is signed", async (t) => {
  const other = create(UploadChunkRequestSchema, { ...fields, sha256: new Uint8Array(32).fill(8) });
  const signed = joined(encodeRequest(UploadChunkRequestSchema, chunk).signed);
  t.notOk(signed.equals(joined(encodeRequest(UploadChunkRequestSchema, other).signed)));
});

t.test("of bytes that come twice the last count, and the first are signed", async (t) => {
  const { body } = encodeRequest(UploadChunkRequestSchema, chunk);
  const early = create(UploadChunkRequestSchema, { data: Uint8Array.of(7) });
  const twice = joined([toBinary(UploadChunkRequestSchema, early), body]);
  t.same(fromBinary(UploadChunkRequestSchema, new Uint8Array(twice)).data, data);
  t.equal(joined(signedParts(uploadChunk, twice)).length, twice.length - data.length);
});

t.test("a message without bulk bytes is signed whole", async (t) => {
  const submission = create(SubmitMaskedRequestSchema, { population: "p", chunksSha256: new Uint8Array(32) });
  const left = create(LeaveRequestSchema, { population: "p" });
  for (const [method, { body, signed }] of [
    [submitMasked, encodeRequest(SubmitMaskedRequestSchema, submission)],
    [leave, encodeRequest(LeaveRequestSchema, left)],
  ] as const) {
    t.ok(joined(signed).equals(Buffer.from(body)));
    t.ok(joined(signedParts(method, body)).equals(Buffer.from(body)));
  }
});

t.test("what is no message has no signed parts", async (t) => {
  t.throws(() => signedParts(uploadChunk, Uint8Array.of(0x2a, 0xff, 0x01)));
});
