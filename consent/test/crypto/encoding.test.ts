import fc from "fast-check";
import t from "tap";
import {
  decodeBase64,
  decodeBase64Url,
  decodeUtf8,
  encodeBase64,
  encodeBase64Url,
  encodeUtf8,
} from "../../src/index.js";
import { refuses } from "../refusals.js";

t.test("base64 gives the texts of RFC 4648 §10", async (t) => {
  for (const [plain, encoded] of [
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg=="],
    ["fooba", "Zm9vYmE="],
    ["foobar", "Zm9vYmFy"],
  ] as const) {
    t.equal(encodeBase64(encodeUtf8(plain)), encoded);
    t.equal(decodeUtf8(decodeBase64(encoded)), plain);
    t.equal(encodeBase64Url(encodeUtf8(plain)), encoded.replace(/=/g, ""));
    t.equal(decodeUtf8(decodeBase64Url(encoded.replace(/=/g, ""))), plain);
  }
});

t.test("both encodings agree with Node's for any bytes and come back unchanged", async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      const url = Buffer.from(bytes).toString("base64url");
      const padded = Buffer.from(bytes).toString("base64");
      return (
        encodeBase64Url(bytes) === url &&
        encodeBase64(bytes) === padded &&
        Buffer.compare(decodeBase64Url(url), bytes) === 0 &&
        Buffer.compare(decodeBase64(padded), bytes) === 0
      );
    }),
    { seed: 1, numRuns: 400 },
  );
});

t.test("a text that is not the one canonical form is refused", async (t) => {
  for (const text of ["A", "AAAAA", "Zh", "Zg==", "Zm9=", "Z g", "Zm9v\n", "Zm+v", "Zm/v", "Zmév", "Zm9\u0000"])
    refuses(t, "BAD_ENCODING", `base64url ${JSON.stringify(text)}`, () => decodeBase64Url(text));
  for (const text of [
    "Zg",
    "Zh==",
    "Zm9=",
    "Zg=",
    "====",
    "Zg===",
    "Z===",
    "Zm-v",
    "Zm_v",
    " Zg=",
    "Zg==\n",
    "Zg==Zg==",
  ])
    refuses(t, "BAD_ENCODING", `base64 ${JSON.stringify(text)}`, () => decodeBase64(text));
});

t.test("ill-formed UTF-8 is refused and a byte-order mark survives", async (t) => {
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]])
    refuses(t, "BAD_ENCODING", String(bytes), () => decodeUtf8(new Uint8Array(bytes)));
  t.equal(decodeUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x41])), "\ufeffA");
});
