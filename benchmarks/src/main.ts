/**
 * npm run bench -- NAME [--option value …] [--json]
 *
 * Prints one JSON object a case (with --json, one a line), or a readable table.
 */
import { parseArgs } from "node:util";

interface Benchmark {
  readonly summary: string;
  /** Options and their defaults, as text. */
  readonly options: Readonly<Record<string, string>>;
  run(options: Readonly<Record<string, string>>): Promise<readonly object[]>;
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  rounds: {
    summary: "whole rounds over gRPC, each client its own process; without --clients and --length: the four cases",
    options: { clients: "", length: "", rounds: "15", bits: "" },
    async run({ clients = "", length = "", rounds = "15", bits = "" }) {
      const cases: readonly (readonly [number, number])[] =
        clients === "" && length === ""
          ? [
              [10, 100_000],
              [10, 1_000_000],
              [50, 100_000],
              [50, 1_000_000],
            ]
          : [[integer("clients", clients || "50"), integer("length", length || "1000000")]];
      const { roundsBenchmark } = await import("./rounds.js");
      const results: object[] = [];
      for (const [count, parameters] of cases) {
        results.push(
          await roundsBenchmark({
            clients: count,
            length: parameters,
            rounds: integer("rounds", rounds),
            bits: bits === "" ? undefined : integer("bits", bits),
          }),
        );
      }
      return results;
    },
  },
  secagg: {
    summary: "a round of secure aggregation in one process without a network, then the same over gRPC",
    options: { clients: "20", length: "1000000", dropout: "0.05", bits: "20", graph: "complete" },
    async run({ clients = "", length = "", dropout = "", bits = "", graph = "" }) {
      if (graph !== "complete" && graph !== "harary") {
        throw new Error(`expected --graph to be complete or harary, came "${graph}"`);
      }
      const { secaggBenchmark } = await import("./secagg.js");
      return [
        await secaggBenchmark({
          clients: integer("clients", clients),
          length: integer("length", length),
          dropout: fraction("dropout", dropout),
          bits: integer("bits", bits),
          graph,
        }),
      ];
    },
  },
  simulate: {
    summary: "virtual devices a second through whole rounds, beside the bare training of the same devices",
    options: { rounds: "10", cohort: "100", threads: "2" },
    async run({ rounds = "", cohort = "", threads = "" }) {
      const { simulateBenchmark } = await import("./simulate.js");
      return simulateBenchmark({
        rounds: integer("rounds", rounds),
        cohort: integer("cohort", cohort),
        threads: integer("threads", threads),
      });
    },
  },
  capture: {
    summary: "events into a device's log: how long a call takes, how many are lost, what a withdrawal takes",
    options: { rate: "10000", seconds: "60" },
    async run({ rate = "", seconds = "" }) {
      const { captureBenchmark } = await import("./capture.js");
      return [await captureBenchmark({ eventsPerSecond: integer("rate", rate), seconds: integer("seconds", seconds) })];
    },
  },
  load: {
    summary: "devices that come, leave, fall silent and return against one coordinator: memory, rounds, check-ins",
    options: { devices: "10000", minutes: "20", stay: "120", seed: "1" },
    async run({ devices = "", minutes = "", stay = "", seed = "" }) {
      const { loadBenchmark } = await import("./load.js");
      const result = await loadBenchmark({
        devices: integer("devices", devices),
        minutes: positive("minutes", minutes),
        staySeconds: positive("stay", stay),
        seed: integer("seed", seed),
        onProgress: (line) => process.stderr.write(`${line}\n`),
      });
      return [result];
    },
  },
  scaling: {
    summary:
      "unit costs of a coordinator: an enrolment, a place in a round, database transactions; --postgres URL for a shared store",
    options: { devices: "400", rounds: "8", postgres: "" },
    async run({ devices = "", rounds = "", postgres = "" }) {
      const { scalingBenchmark } = await import("./scaling.js");
      return [
        await scalingBenchmark({
          devices: integer("devices", devices),
          rounds: integer("rounds", rounds),
          postgres: postgres === "" ? undefined : postgres,
        }),
      ];
    },
  },
  ledger: {
    summary: "durable appends, and the verification of a bundle beside the bare signature checks",
    options: { entries: "100000", batch: "1000", singles: "2000" },
    async run({ entries = "", batch = "", singles = "" }) {
      const { ledgerBenchmark } = await import("./ledger.js");
      return ledgerBenchmark({
        entries: integer("entries", entries),
        batch: integer("batch", batch),
        singles: integer("singles", singles),
      });
    },
  },
  accounting: {
    summary: "every cell of the reference grid, beside what Google's Python library took for it",
    options: { runs: "3" },
    async run({ runs = "" }) {
      const { accountingBenchmark } = await import("./accounting.js");
      const { cells, summary } = await accountingBenchmark({ runs: integer("runs", runs) });
      return [...cells, ...summary];
    },
  },
  utility: {
    summary: "what models reach at each ε, beside reference figures; on the data sets that are there",
    options: { epsilons: "8,4,2,1", repeats: "3", dataset: "all" },
    async run({ epsilons = "", repeats = "", dataset = "" }) {
      const { utilityBenchmark } = await import("./utility.js");
      return utilityBenchmark({
        epsilons: epsilons.split(",").map((text) => positive("epsilons", text)),
        repeats: integer("repeats", repeats),
        dataset,
      });
    },
  },
  movielens: {
    summary: "the two recommenders on MovieLens-1M, without noise and at each ε",
    options: { epsilons: "none,8,4,2,1" },
    async run({ epsilons = "" }) {
      const { movielensBenchmark } = await import("./movielens/movielens.js");
      const wanted = epsilons
        .split(",")
        .map((text) => (text === "none" ? Number.POSITIVE_INFINITY : positive("epsilons", text)));
      return movielensBenchmark(wanted, (text) => process.stderr.write(`${text}\n`));
    },
  },
  training: {
    summary: "steps a second of five models at each engine; LSTM and CNN on cpu take a step of many seconds",
    options: { seconds: "3", engines: "compiled,wasm,cpu" },
    async run({ seconds = "", engines = "" }) {
      const { trainingBenchmark } = await import("./training/training.js");
      const chosen = engines.split(",").map((engine) => {
        if (engine === "compiled" || engine === "tensorflow" || engine === "wasm" || engine === "cpu") return engine;
        throw new Error(`expected --engines of compiled, tensorflow, wasm and cpu, came "${engine}"`);
      });
      return trainingBenchmark(integer("seconds", seconds), chosen, ({ model, engine, stepsPerSecond }) =>
        process.stderr.write(`${model} on ${engine}: ${stepsPerSecond} steps/s\n`),
      );
    },
  },
  messages: {
    summary: "how long a device takes to render a message from a signed template, and to decide whether to show it",
    options: { count: "20000" },
    async run({ count = "" }) {
      const { messagesBenchmark } = await import("./messages.js");
      return messagesBenchmark({ count: integer("count", count) });
    },
  },
  analytics: {
    summary: "what each kind of query costs a device and the server, beside a plain count",
    options: { devices: "1000", rows: "50" },
    async run({ devices = "", rows = "" }) {
      const { analyticsBenchmark } = await import("./analytics.js");
      return analyticsBenchmark({ devices: integer("devices", devices), rows: integer("rows", rows) });
    },
  },
  samplers: {
    summary: "a million samples of each kind of noise, and the encodings of a round, on one core",
    options: { length: "1000000", runs: "7" },
    async run({ length = "", runs = "" }) {
      const { samplersBenchmark } = await import("./samplers.js");
      return samplersBenchmark({ length: integer("length", length), runs: integer("runs", runs) });
    },
  },
};

function integer(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`expected --${name} to be a whole number from 1, came "${text}"`);
  }
  return value;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(Number.isFinite(value) && value > 0)) {
    throw new Error(`expected --${name} to be numbers above 0, came "${text}"`);
  }
  return value;
}

function fraction(name: string, text: string): number {
  const value = Number(text);
  if (text === "" || !(value >= 0 && value < 1)) {
    throw new Error(`expected --${name} to be a fraction from 0 to below 1, came "${text}"`);
  }
  return value;
}

function help(): string {
  const lines = Object.entries(BENCHMARKS).map(([name, { summary, options }]) => {
    const flags = Object.entries(options).map(([flag, value]) => `--${flag} ${value === "" ? "N" : value}`);
    return `  ${name}  ${summary}\n      ${[...flags, "--json"].join(" ")}`;
  });
  return `npm run bench -- NAME [options]\n\n${lines.join("\n")}\n`;
}

async function main(): Promise<number> {
  const [name, ...rest] = process.argv.slice(2);
  const benchmark = name === undefined ? undefined : BENCHMARKS[name];
  if (benchmark === undefined) {
    process.stderr.write(help());
    return name === undefined || name === "--help" ? 0 : 2;
  }
  const options = Object.fromEntries(Object.keys(benchmark.options).map((flag) => [flag, { type: "string" as const }]));
  const { values } = parseArgs({
    args: rest,
    options: { ...options, json: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
  });
  if (values.help === true) {
    process.stdout.write(help());
    return 0;
  }
  const given = Object.entries(values).flatMap(([flag, value]) => (typeof value === "string" ? [[flag, value]] : []));
  const results = await benchmark.run({ ...benchmark.options, ...Object.fromEntries(given) });
  for (const result of results) {
    process.stdout.write(`${JSON.stringify(result, null, values.json === true ? 0 : 2)}\n`);
  }
  const problems = results.flatMap((result) => ("problems" in result ? result.problems : []));
  if (!Array.isArray(problems)) return 0;
  for (const problem of problems) process.stderr.write(`failed: ${problem}\n`);
  return problems.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
