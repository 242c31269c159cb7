import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import t from "tap";
import {
  encodeRequest,
  LeaveRequestSchema,
  SubmitMaskedRequestSchema,
  signedParts,
  UploadChunkRequestSchema,
} from "../src/index.js";

const data = Uint8Array.of(1, 2, 3, 4, 5);
const fields = { population: "p", round: 1n, data, sha256: new Uint8Array(32).fill(9) };
const chunk = create(UploadChunkRequestSchema, fields);

function joined(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

t.test("what is signed of a chunk is all of it but its bytes", async (t) => {
  const { body, signed } = encodeRequest(UploadChunkRequestSchema, chunk);
  t.same(Buffer.from(body), Buffer.from(toBinary(UploadChunkRequestSchema, chunk)), "as any transport would encode it");
  t.equal(signed.length, 2);
  const [before = new Uint8Array(), after = new Uint8Array()] = signed;
  t.ok(joined([before, data, after]).equals(Buffer.from(body)));
});

t.test("another writer may put the bytes elsewhere", async (t) => {
  const rest = toBinary(
    UploadChunkRequestSchema,
    create(UploadChunkRequestSchema, { ...fields, data: new Uint8Array() }),
  );
  const frame = Uint8Array.of((5 << 3) | 2, data.length);
  t.same(fromBinary(UploadChunkRequestSchema, new Uint8Array(joined([rest, frame, data]))), chunk);
  t.ok(joined(signedParts(UploadChunkRequestSchema, joined([rest, frame, data]))).equals(joined([rest, frame])));
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
  t.equal(joined(signedParts(UploadChunkRequestSchema, twice)).length, twice.length - data.length);
});

t.test("a message without bulk bytes is signed whole", async (t) => {
  const submission = create(SubmitMaskedRequestSchema, { population: "p", chunksSha256: new Uint8Array(32) });
  const left = create(LeaveRequestSchema, { population: "p" });
  for (const { body, signed } of [
    encodeRequest(SubmitMaskedRequestSchema, submission),
    encodeRequest(LeaveRequestSchema, left),
  ]) {
    t.ok(joined(signed).equals(Buffer.from(body)));
  }
});

t.test("what is no message has no signed parts", async (t) => {
  t.throws(() => signedParts(UploadChunkRequestSchema, Uint8Array.of(0x2a, 0xff, 0x01)));
});
