import { createHash } from "node:crypto";
import { CHUNK_BYTES } from "@fedloop/proto";
import t from "tap";
import { type Chunk, Uploads } from "../../src/rounds/uploads.js";
import { manualClock } from "../ledger/fixture.js";

const CLOCK = { now: () => 0 };
const TOTAL = CHUNK_BYTES + 10;

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function chunk(offset: number, fill: number): Chunk {
  const data = new Uint8Array(Math.min(CHUNK_BYTES, TOTAL - offset)).fill(fill);
  return { totalBytes: TOTAL, offset, data, sha256: sha256(data) };
}

const first = chunk(0, 1);
const second = chunk(CHUNK_BYTES, 2);
const whole = sha256(first.sha256, second.sha256);

/** A copy of a complete upload. */
function take(uploads: Uploads, device: string, digest: Uint8Array): Uint8Array {
  let taken: Uint8Array = new Uint8Array();
  uploads.take(device, digest, (bytes) => {
    taken = bytes.slice();
  });
  return taken;
}

t.test("chunks may come in any order and twice", async (t) => {
  const uploads = new Uploads(2, CLOCK);
  t.equal(uploads.place("a", TOTAL, second), 0);
  t.equal(uploads.place("a", TOTAL, second), 0);
  t.equal(uploads.place("a", TOTAL, first), TOTAL);
  const bytes = take(uploads, "a", whole);
  t.equal(bytes[0], 1);
  t.equal(bytes[TOTAL - 1], 2);
  t.equal(uploads.size, 0);
});

t.test("an upload is handed out only when complete and only under its own digest", async (t) => {
  const uploads = new Uploads(2, CLOCK);
  t.throws(() => take(uploads, "a", whole), { code: "INCOMPLETE_UPLOAD" });
  uploads.place("a", TOTAL, first);
  t.throws(() => take(uploads, "a", whole), { code: "INCOMPLETE_UPLOAD" });
  uploads.place("a", TOTAL, second);
  t.throws(() => take(uploads, "a", sha256(second.sha256, first.sha256)), { code: "BAD_DIGEST" });
  t.equal(take(uploads, "a", whole).length, TOTAL);
});

t.test("chunks that lie about themselves are refused", async (t) => {
  const uploads = new Uploads(2, CLOCK);
  const hostile: [string, Partial<Chunk>, string][] = [
    ["a digest of other bytes", { sha256: sha256(new Uint8Array(1)) }, "BAD_DIGEST"],
    ["an offset within a chunk", { offset: 1 }, "OUT_OF_RANGE"],
    ["an offset past the end", { offset: 2 * CHUNK_BYTES }, "OUT_OF_RANGE"],
    ["another total", { totalBytes: TOTAL + 1 }, "OUT_OF_RANGE"],
    ["a short chunk", { data: new Uint8Array(5), sha256: sha256(new Uint8Array(5)) }, "OUT_OF_RANGE"],
    ["no number as offset", { offset: Number.NaN }, "OUT_OF_RANGE"],
  ];
  for (const [name, change, code] of hostile) {
    t.throws(() => uploads.place("a", TOTAL, { ...first, ...change }), { code }, name);
  }
  t.equal(uploads.size, 0, "none of them took memory");
  uploads.place("a", TOTAL, first);
  t.throws(() => uploads.place("a", TOTAL, chunk(0, 9)), { code: "CONFLICT" });
});

t.test("beyond the limit a device is told to come back, which bounds the memory", async (t) => {
  const uploads = new Uploads(1, CLOCK);
  uploads.place("a", TOTAL, first);
  t.throws(() => uploads.place("b", TOTAL, first), { code: "BUSY", retryAfterMs: 50 });
  uploads.drop("a");
  t.equal(uploads.place("b", TOTAL, first), CHUNK_BYTES);
});

t.test("a used buffer that serves the next upload gives nothing of the former one away", async (t) => {
  const uploads = new Uploads(1, CLOCK);
  uploads.place("a", TOTAL, first);
  uploads.place("a", TOTAL, second);
  take(uploads, "a", whole);
  uploads.place("b", TOTAL, chunk(0, 7));
  t.throws(() => take(uploads, "b", whole), { code: "INCOMPLETE_UPLOAD" });
  uploads.place("b", TOTAL, chunk(CHUNK_BYTES, 8));
  const bytes = take(uploads, "b", sha256(chunk(0, 7).sha256, chunk(CHUNK_BYTES, 8).sha256));
  t.ok(bytes.every((byte, i) => byte === (i < CHUNK_BYTES ? 7 : 8)));
});

t.test("an upload that has gone quiet gives its place to one that waits, and can begin anew", async (t) => {
  const clock = manualClock();
  const uploads = new Uploads(2, clock);
  uploads.place("vanished", TOTAL, first);
  clock.ms += 19_999;
  uploads.place("slow", TOTAL, first);
  t.throws(() => uploads.place("waiting", TOTAL, first), { code: "BUSY" });
  clock.ms += 1;
  t.equal(uploads.place("waiting", TOTAL, first), CHUNK_BYTES);
  t.equal(uploads.place("slow", TOTAL, second), TOTAL, "what goes on keeps its place");
  take(uploads, "slow", whole);
  t.equal(uploads.place("vanished", TOTAL, second), 0, "it is told what is missing, which is all the rest");
  t.equal(uploads.place("vanished", TOTAL, first), TOTAL);
});
