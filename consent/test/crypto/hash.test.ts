import fc from "fast-check";
import t from "tap";
import { sha256 as plainSha256 } from "../../src/crypto/sha256.js";
import { sha256 as nodeSha256 } from "../../src/crypto/sha256.node.js";
import { encodeUtf8, hmacSha256, sha256 } from "../../src/index.js";
import { hex } from "../hex.js";

t.test("SHA-256 gives the values of FIPS 180-4's examples, in plain JavaScript and by node:crypto", async (t) => {
  for (const hash of [sha256, plainSha256, nodeSha256]) {
    t.strictSame(hash(encodeUtf8("")), hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    t.strictSame(hash(encodeUtf8("abc")), hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  }
});

t.test("both implementations agree on any bytes", async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) =>
      Buffer.from(plainSha256(bytes)).equals(nodeSha256(bytes)),
    ),
    { seed: 7, numRuns: 300 },
  );
});

t.test("HMAC-SHA-256 gives RFC 4231's test case 2", async (t) => {
  t.strictSame(
    hmacSha256(encodeUtf8("Jefe"), encodeUtf8("what do ya want for nothing?")),
    hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
  );
});
