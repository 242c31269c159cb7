import t from "tap";
import { type Hkdf, nobleHkdf } from "../../../src/secagg/crypto/hkdf.js";
import { nodeHkdf } from "../../../src/secagg/crypto/hkdf.node.js";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const counting = (from: number, count: number): string =>
  Buffer.from(Array.from({ length: count }, (_, i) => from + i)).toString("hex");

/** RFC 5869, appendices A.1 to A.3: the first 32 bytes of each output. */
const VECTORS = [
  {
    secret: "0b".repeat(22),
    salt: counting(0x00, 13),
    info: counting(0xf0, 10),
    key: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
  },
  {
    secret: counting(0x00, 80),
    salt: counting(0x60, 80),
    info: counting(0xb0, 80),
    key: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
  },
  {
    secret: "0b".repeat(22),
    salt: "",
    info: "",
    key: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
  },
];

const IMPLEMENTATIONS: Readonly<Record<string, Hkdf>> = { nobleHkdf, nodeHkdf };

for (const [name, hkdf] of Object.entries(IMPLEMENTATIONS)) {
  t.test(`${name} derives what RFC 5869 derives`, async (t) => {
    for (const { secret, salt, info, key } of VECTORS) {
      t.equal(Buffer.from(hkdf(bytes(secret), bytes(salt), bytes(info))).toString("hex"), key);
    }
  });
}
