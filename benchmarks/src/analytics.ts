/**
 * What each kind of query costs a device and the server, beside a plain count of the same devices: one number each, added up,
 * without clip, noise and interval. Masks come on top and depend on the length alone: the benchmark `secagg` measures them.
 */
import {
  decodeDistributed,
  distributedMechanism,
  encodeDistributed,
  packedBytes,
  type RandomSource,
  systemRandom,
} from "@fedloop/privacy";
import {
  type AnalyticsQuery,
  analyticsResult,
  contribution,
  contributionLength,
  contributionNorm,
  type Row,
} from "@fedloop/privacy/analytics";

export interface AnalyticsCase {
  /** All of them answer. */
  readonly devices: number;
  /** Rows of each device's table. */
  readonly rows: number;
}

const BITS = 32;
const NOISE_MULTIPLIER = 5;
/** A device's work is repeated on so many of them before it is measured, and the server's so often, so that code is compiled. */
const WARM_DEVICES = 100;
const READINGS = 20;
const ROTATION_SEED = new Uint8Array(32).fill(7);

const asked = { table: "t", minimumDevices: 10 } as const;
const minutes = { of: "sum", column: "minutes" } as const;
const WORDS = ["yes", "no", "often", "never"];

const QUERIES: Readonly<Record<string, AnalyticsQuery>> = {
  count: { ...asked, kind: "count", where: { event: "click" } },
  sum: { ...asked, kind: "sum", value: minutes, lower: 0, upper: 600 },
  "mean of 8 groups": {
    ...asked,
    kind: "mean",
    value: minutes,
    lower: 0,
    upper: 600,
    by: { column: "group", groups: Array.from({ length: 8 }, (_, i) => `g${i}`) },
  },
  "histogram of 32 bins": {
    ...asked,
    kind: "histogram",
    value: minutes,
    edges: Array.from({ length: 33 }, (_, i) => 20 * i),
  },
  "32 categories": {
    ...asked,
    kind: "categories",
    column: "group",
    categories: Array.from({ length: 32 }, (_, i) => `g${i}`),
  },
  "ratio of 4 parts": {
    ...asked,
    kind: "ratio",
    among: { event: "open" },
    parts: Object.fromEntries([5, 10, 15, 20].map((least) => [`from${least}`, { minutes: { atLeast: least } }])),
  },
  "3 quantiles, 8 levels": {
    ...asked,
    kind: "quantiles",
    value: minutes,
    lower: 0,
    upper: 640,
    levels: 8,
    at: [0.25, 0.5, 0.9],
  },
  "scores in 32 bins (AUC)": { ...asked, kind: "scores", score: "score", label: "label", bins: 32 },
  "experiment of 2 arms": {
    ...asked,
    kind: "experiment",
    value: minutes,
    lower: 0,
    upper: 600,
    arm: "arm",
    arms: ["a", "b"],
  },
  "votes for 6": {
    ...asked,
    kind: "votes",
    candidate: "group",
    loss: "score",
    candidates: Array.from({ length: 6 }, (_, i) => `g${i}`),
  },
  "heavy hitters, a step": {
    ...asked,
    kind: "heavy-hitters",
    column: "word",
    alphabet: "abcdefghijklmnopqrstuvwxyz",
    length: 8,
    width: 16,
  },
};

function tableOf(device: number, rows: number): Row[] {
  return Array.from({ length: rows }, (_, i) => {
    const score = ((device * 31 + i * 17) % 100) / 100;
    return {
      event: i % 3 === 0 ? "click" : "open",
      minutes: (device * 7 + i * 13) % 25,
      group: `g${(device + i) % 32}`,
      arm: device % 2 === 0 ? "a" : "b",
      score,
      label: (device * 13 + i * 29) % 100 < 100 * score,
      word: WORDS[device % WORDS.length] ?? "",
    };
  });
}

/** Microseconds of processor time that work takes, and what comes of it. */
function measured<T>(work: () => T): { readonly microseconds: number; readonly result: T } {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  return { microseconds: user + system, result };
}

const rounded = (value: number): number => Number(value.toPrecision(3));

function answers(query: AnalyticsQuery, tables: readonly Row[][], random: RandomSource) {
  const mechanism = distributedMechanism({
    noise: "discrete-gaussian",
    clipNorm: contributionNorm(query),
    noiseMultiplier: NOISE_MULTIPLIER,
    bits: BITS,
    dimension: contributionLength(query),
    cohort: tables.length,
    corruptFraction: 0.1,
    dropoutFraction: 0.1,
  });
  const answer = (rows: readonly Row[]): Int32Array =>
    encodeDistributed(contribution(query, rows), mechanism, ROTATION_SEED, random);
  for (const rows of tables.slice(0, WARM_DEVICES)) answer(rows);
  return { mechanism, ...measured(() => tables.map(answer)) };
}

/** One query at all devices and at the server. */
function asking(name: string, query: AnalyticsQuery, tables: readonly Row[][], random: RandomSource): object {
  const { mechanism, microseconds: deviceMicroseconds, result: vectors } = answers(query, tables, random);
  const { deviceNoiseStdDev, quantisation, length } = mechanism;
  const noiseVariance = vectors.length * (deviceNoiseStdDev * quantisation.granularity) ** 2;
  const sum = measured(() => {
    const total = new Float64Array(length);
    for (const vector of vectors) for (let i = 0; i < length; i++) total[i] = (total[i] ?? 0) + (vector[i] ?? 0);
    return total;
  });
  const read = (): unknown => {
    const sums = decodeDistributed(sum.result, mechanism, ROTATION_SEED);
    return analyticsResult(query, { sums, noiseVariance, members: vectors.length });
  };
  read();
  const reading = measured(() => {
    for (let i = 0; i < READINGS; i++) read();
  });
  return {
    query: name,
    devices: tables.length,
    numbers: contributionLength(query),
    uploadBytesPerDevice: packedBytes(length, BITS),
    deviceMicroseconds: rounded(deviceMicroseconds / tables.length),
    serverSumMs: rounded(sum.microseconds / 1_000),
    serverReadMs: rounded(reading.microseconds / READINGS / 1_000),
  };
}

/** The baseline: each device looks through its rows and sends 0 or 1, the server adds. */
function plainCount(tables: readonly Row[][]): object {
  const answer = (rows: readonly Row[]): number => (rows.some(({ event }) => event === "click") ? 1 : 0);
  const device = measured(() => {
    for (let i = 0; i < READINGS; i++) for (const rows of tables) answer(rows);
  });
  const bits = tables.map(answer);
  const server = measured(() => {
    let total = 0;
    for (let i = 0; i < READINGS; i++) for (const bit of bits) total += bit;
    return total;
  });
  return {
    query: "plain count, the baseline",
    devices: tables.length,
    numbers: 1,
    uploadBytesPerDevice: 1,
    deviceMicroseconds: rounded(device.microseconds / READINGS / tables.length),
    serverSumMs: rounded(server.microseconds / READINGS / 1_000),
    serverReadMs: 0,
  };
}

/** @returns the baseline, then each kind of query. Processor time, without masks and network. */
export function analyticsBenchmark({ devices, rows }: AnalyticsCase): object[] {
  const random = systemRandom();
  const tables = Array.from({ length: devices }, (_, device) => tableOf(device, rows));
  return [plainCount(tables), ...Object.entries(QUERIES).map(([name, query]) => asking(name, query, tables, random))];
}
