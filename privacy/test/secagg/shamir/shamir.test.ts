import fc from "fast-check";
import t from "tap";
import { GF256 } from "../../../src/secagg/shamir/field.js";
import { rebuildSecret, shareSecret } from "../../../src/secagg/shamir/shamir.js";
import { seededBytes, seededRandom } from "../seeded-random.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

t.test("shares over GF(2^8) are the polynomial's values, byte for byte", async (t) => {
  // f(x) = secret + c·x + d·x² with every byte of c = 57 and of d = 83: f(1) = s ^ 57 ^ 83, f(2) = s ^ ae ^ 3a.
  const secret = Uint8Array.of(0x00, 0x01, 0x80, 0xff);
  let filled = 0;
  const random = {
    fill: (bytes: Uint8Array) => {
      bytes.set([0x57, 0x57, 0x57, 0x57, 0x83, 0x83, 0x83, 0x83]);
      filled += bytes.length;
    },
  };
  const shares = shareSecret(secret, { holders: 2, threshold: 2 }, { fill: (bytes) => bytes.fill(0x57) });
  t.strictSame(shares.map(hex), ["5756d7a8", "aeaf2e51"]);
  const quadratic = shareSecret(secret, { holders: 3, threshold: 3 }, random);
  t.strictSame(quadratic.map(hex).slice(0, 2), ["d4d5542b", "9495146b"]);
  t.equal(filled, 8);
});

t.test("shares over GF(2^16) take two bytes at a time, little-endian, byte for byte", async (t) => {
  // Coefficient 0x8001 in both symbols: at x = 2 it is 0x0002 ^ 0x100b = 0x1009, so f(2) = s ^ 0x1009.
  const secret = Uint8Array.of(0x34, 0x12, 0x00, 0x00);
  const random = { fill: (bytes: Uint8Array) => bytes.set([0x01, 0x80, 0x01, 0x80]) };
  const shares = shareSecret(secret, { holders: 256, threshold: 2 }, random);
  t.equal(shares.length, 256);
  t.equal(hex(shares[0] ?? secret), "35920180");
  t.equal(hex(shares[1] ?? secret), "3d020910");
});

t.test("any threshold of shares rebuilds the secret, in any order, in either field", async () => {
  fc.assert(
    fc.property(
      fc
        .integer({ min: 2, max: 300 })
        .chain((holders) => fc.tuple(fc.constant(holders), fc.integer({ min: 2, max: Math.min(holders, 40) }))),
      fc.integer(),
      ([holders, threshold], seed) => {
        const secret = seededBytes(`secret ${seed}`, 32);
        const values = shareSecret(secret, { holders, threshold }, seededRandom(seed));
        const start = Math.abs(seed) % holders;
        const shares = Array.from({ length: threshold }, (_, i) => {
          const x = ((start + holders - i) % holders) + 1;
          return { x, value: values[x - 1] ?? new Uint8Array() };
        });
        return hex(rebuildSecret(shares, { holders, threshold })) === hex(secret);
      },
    ),
    { seed: 20_205, numRuns: 150 },
  );
});

t.test("t−1 shares fit every secret equally: they tell nothing about it", async (t) => {
  const values = shareSecret(Uint8Array.of(9, 8, 7, 6), { holders: 5, threshold: 3 }, seededRandom("hiding"));
  const [first, second] = values;
  if (first === undefined || second === undefined) throw new Error("shares missing");
  // For every possible first byte there is exactly one third share that goes with the two that are known.
  const candidates = new Set<number>();
  for (let guess = 0; guess < 256; guess++) {
    const third = Uint8Array.of(guess, 0, 0, 0);
    const secret = rebuildSecret(
      [
        { x: 1, value: first },
        { x: 2, value: second },
        { x: 3, value: third },
      ],
      { holders: 5, threshold: 3 },
    );
    candidates.add(secret[0] ?? -1);
  }
  t.equal(candidates.size, 256);
  t.equal(GF256.maximumHolders, 255);
});

t.test("one share of a byte is uniform over draws (chi-square, false alarm 1e-4)", async (t) => {
  const counts = new Uint32Array(256);
  const random = seededRandom("uniform shares");
  for (let i = 0; i < 12_800; i++) {
    const share = shareSecret(Uint8Array.of(1, 1, 1, 1), { holders: 2, threshold: 2 }, random)[1];
    const byte = share?.[0] ?? 0;
    counts[byte] = (counts[byte] ?? 0) + 1;
  }
  const chiSquare = counts.reduce((sum, count) => sum + (count - 50) ** 2 / 50, 0);
  t.ok(chiSquare < 347.7, `${chiSquare} is above the 1 − 1e-4 quantile for 255 degrees of freedom`);
});

t.test("a false share gives a false secret, and what cannot be right is refused", async (t) => {
  const secret = seededBytes("refusals", 32);
  const sharing = { holders: 5, threshold: 3 };
  const values = shareSecret(secret, sharing, seededRandom("refusals"));
  const shares = values.map((value, i) => ({ x: i + 1, value }));
  const [a, b, c] = shares;
  if (a === undefined || b === undefined || c === undefined) throw new Error("shares missing");
  const bent = { x: 3, value: c.value.map((byte, i) => (i === 31 ? byte ^ 1 : byte)) };
  t.not(hex(rebuildSecret([a, b, bent], sharing)), hex(secret));
  const refused = [
    [a, b],
    shares,
    [a, b, b],
    [a, b, { x: 0, value: c.value }],
    [a, b, { x: 6, value: c.value }],
    [a, b, { x: 3, value: new Uint8Array(4) }],
  ];
  for (const set of refused) t.throws(() => rebuildSecret(set, sharing), { code: "BAD_PARAMETERS" });
  for (const wrong of [
    { holders: 5, threshold: 1 },
    { holders: 5, threshold: 6 },
    { holders: 65_536, threshold: 2 },
    { holders: 0, threshold: 2 },
  ]) {
    t.throws(() => shareSecret(secret, wrong, seededRandom(1)), { code: "BAD_PARAMETERS" });
  }
  t.throws(() => shareSecret(new Uint8Array(3), sharing, seededRandom(1)), { code: "BAD_PARAMETERS" });
});
