import t from "tap";
import { type MaskAccumulator, PIECE_COORDINATES, streamLength } from "../../../src/secagg/masking/accumulator.js";
import { addMasks, type MaskExpander } from "../../../src/secagg/masking/expander.js";
import { nodeExpander } from "../../../src/secagg/masking/expander.node.js";
import { plainAccumulator } from "../../../src/secagg/masking/plain-accumulator.js";
import { webCryptoExpander } from "../../../src/secagg/masking/webcrypto-expander.js";
import { seededBytes } from "../seeded-random.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

for (const [name, expander] of [
  ["node:crypto", nodeExpander()],
  ["WebCrypto", webCryptoExpander()],
] satisfies [string, MaskExpander][]) {
  t.test(`${name} makes AES-256 keystream from counter 0`, async (t) => {
    // E(K, 0) for K = 0: NIST's CAVP known answer (AES-256, GFSbox/KeySbox families); then counter 1.
    const stream = expander.expand(new Uint8Array(32));
    t.equal(hex(await stream.next(16)), "dc95c078a2408989ad48a21492842087");
    t.equal(hex(await stream.next(16)), "530f8afbc74536b9a963b4f1c4cb738b");
  });

  t.test(`${name} makes the same stream in pieces as in one`, async (t) => {
    const key = seededBytes("key", 32);
    const whole = await expander.expand(key).next(5000);
    const stream = expander.expand(key);
    const pieces = [stream.next(1600), stream.next(1600), stream.next(1800)];
    t.equal(hex(Buffer.concat(await Promise.all(pieces))), hex(whole));
  });

  t.test(`${name}: masks over several pieces cancel, and keys are erased`, async (t) => {
    const length = PIECE_COORDINATES + 77;
    const sum = plainAccumulator(length, 18);
    const keys = Array.from({ length: 3 }, (_, i) => seededBytes(`mask ${i}`, 32));
    const masks = [...keys, ...keys.map((key) => key.slice())].map(
      (key, i) => ({ key, sign: i < 3 ? 1 : -1 }) as const,
    );
    await addMasks(sum, masks, expander);
    t.ok(sum.finish().every((value) => value === 0));
    t.ok(masks.every(({ key }) => key.every((byte) => byte === 0)));
  });
}

t.test("a mask differs from every other key's and looks uniform (chi-square, false alarm 1e-4)", async (t) => {
  const sum: MaskAccumulator = plainAccumulator(25_600, 8);
  await addMasks(sum, [{ key: seededBytes("uniform", 32), sign: 1 }], nodeExpander());
  const counts = new Uint32Array(256);
  for (const residue of sum.finish()) counts[residue] = (counts[residue] ?? 0) + 1;
  const chiSquare = counts.reduce((total, count) => total + (count - 100) ** 2 / 100, 0);
  t.ok(chiSquare < 347.7, `${chiSquare} is above the 1 − 1e-4 quantile for 255 degrees of freedom`);
});

t.test("a cancelled expansion stops, and erases its keys", async (t) => {
  const key = seededBytes("cancel", 32);
  const masks = [{ key, sign: 1 }] as const;
  const sum = plainAccumulator(100, 20);
  await t.rejects(addMasks(sum, masks, nodeExpander(), AbortSignal.abort()), { code: "CANCELLED" });
  t.ok(key.every((byte) => byte === 0));
  t.equal(streamLength(100, 20), 260);
});
