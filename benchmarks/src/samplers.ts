import {
  distributedMechanism,
  encodeDistributed,
  fillDiscreteGaussian,
  fillPoisson,
  fillSkellam,
  packSigned,
  type RandomSource,
  systemRandom,
  unpackSigned,
} from "@fedloop/privacy";
import { aesCtrRandom } from "@fedloop/privacy/node";

/** What to time. */
export interface SamplersOptions {
  /** Samples, or coordinates, a case. */
  readonly length?: number;
  /** Runs a case, after one to warm up; the median counts. */
  readonly runs?: number;
}

/** One kind of work, done once on `length` coordinates. */
export interface SamplersCase {
  readonly work: string;
  readonly length: number;
  readonly medianMs: number;
  readonly worstMs: number;
}

/**
 * Times the samplers and encodings of a round, on one core: a million samples of each kind of noise, quantised updates in
 * and out of bytes, and a device's whole encoding under distributed noise.
 *
 * @param options sizes
 * @returns one entry a kind of work
 */
export async function samplersBenchmark(options: SamplersOptions = {}): Promise<readonly SamplersCase[]> {
  const length = options.length ?? 1_000_000;
  const runs = options.runs ?? 7;
  const out = new Float64Array(length);
  const sources: readonly (readonly [string, RandomSource])[] = [
    ["AES-256-CTR", aesCtrRandom()],
    ["getRandomValues", systemRandom()],
  ];
  const cases: SamplersCase[] = [];
  const time = (work: string, call: () => void): void => {
    call();
    const took = Array.from({ length: runs }, () => {
      const start = performance.now();
      call();
      return performance.now() - start;
    }).sort((a, b) => a - b);
    cases.push({
      work,
      length,
      medianMs: tenths(took[Math.floor(runs / 2)] ?? 0),
      worstMs: tenths(took[runs - 1] ?? 0),
    });
  };
  for (const [name, random] of sources) {
    for (const sigma of [1, 100, 10_000]) {
      time(`discrete Gaussian, σ = ${sigma}, ${name}`, () => fillDiscreteGaussian(out, sigma, random));
    }
    time(`Skellam, σ = 100, ${name}`, () => fillSkellam(out, 100, random));
    time(`Poisson, mean 100, ${name}`, () => fillPoisson(out, 100, random));
  }
  for (const bits of [16, 18, 20, 32]) {
    const values = Int32Array.from({ length }, (_, i) => ((i * 7919) % 2 ** 15) - 2 ** 14);
    const packed = packSigned(values, bits);
    time(`pack, ${bits} bits`, () => {
      packSigned(values, bits);
    });
    time(`unpack, ${bits} bits`, () => {
      unpackSigned(packed, length, bits);
    });
  }
  const random = aesCtrRandom();
  const mechanism = distributedMechanism({
    noise: "discrete-gaussian",
    clipNorm: 1,
    noiseMultiplier: 1,
    bits: 20,
    dimension: length,
    cohort: 100,
    corruptFraction: 0,
    dropoutFraction: 0.05,
  });
  const seed = new Uint8Array(32);
  const update = Float32Array.from({ length }, (_, i) => Math.sin(i));
  time("encode an update under distributed noise", () => {
    encodeDistributed(update.slice(), mechanism, seed, random);
  });
  return cases;
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
