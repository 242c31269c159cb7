import t from "tap";
import { systemRandom } from "../../src/index.js";
import { aesCtrRandom } from "../../src/index.node.js";
import { UniformWords } from "../../src/random/words.js";
import { seededRandom } from "./seeded.js";

for (const [name, make] of [
  ["systemRandom", systemRandom],
  ["aesCtrRandom", aesCtrRandom],
] as const) {
  t.test(`${name} fills arrays of every size and never repeats itself`, async (t) => {
    const random = make();
    const seen = new Set<string>();
    for (const size of [1, 15, 16, 4095, 4096, 4097, 65_536, 65_537, 300_000]) {
      const bytes = new Uint8Array(size);
      random.fill(bytes);
      if (size >= 15) {
        const tail = bytes.subarray(size - 15).join();
        t.notOk(seen.has(tail));
        seen.add(tail);
        t.ok(bytes.some((byte) => byte !== 0));
      }
    }
    random.fill(new Uint8Array(0));
  });

  t.test(`${name}: bytes are uniform`, async (t) => {
    const bytes = new Uint8Array(1_000_000);
    make().fill(bytes);
    const counts = new Float64Array(256);
    for (const byte of bytes) {
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
    const expected = bytes.length / 256;
    const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 255 degrees of freedom; a mean plus 8 standard deviations is passed with probability below 1e-11.
    t.ok(statistic < 255 + 8 * Math.sqrt(2 * 255), `${statistic}`);
  });

  t.test(`${name}: two sources differ`, async (t) => {
    const a = new Uint8Array(32);
    const b = new Uint8Array(32);
    make().fill(a);
    make().fill(b);
    t.notSame(a, b);
  });
}

t.test("without a platform generator nothing is drawn", async (t) => {
  const saved = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  t.teardown(() => {
    if (saved !== undefined) {
      Object.defineProperty(globalThis, "crypto", saved);
    }
  });
  Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
  t.throws(() => systemRandom(), { code: "NO_RANDOMNESS" });
});

t.test("uniform integers below a limit are uniform and in range", async (t) => {
  const words = new UniformWords(seededRandom(31));
  const counts = new Float64Array(7);
  for (let i = 0; i < 70_000; i++) {
    const value = Number(words.below(7n));
    counts[value] = (counts[value] ?? 0) + 1;
  }
  const statistic = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  // 6 degrees of freedom: 45 is passed with probability 5e-8.
  t.ok(statistic < 45, `${statistic}`);
  t.equal(words.below(1n), 0n);
  t.ok(words.below(1n << 200n) < 1n << 200n);
  t.ok(words.bits(65) < 1n << 65n);
});
