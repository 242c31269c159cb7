import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type AccountantName,
  accountantNamed,
  type DpEvent,
  type NeighbouringRelation,
  parseDpEvent,
} from "@fedloop/privacy";
import { median } from "./statistics.js";

/** What to time. */
export interface AccountingOptions {
  /** The reference grid; `../shared/vectors/accounting-grid.json` beside the repository unless told otherwise. */
  readonly grid?: string;
  /** Runs a cell, after one to warm up; the median counts. */
  readonly runs?: number;
}

/** One cell: composing an event and asking for ε at every δ, with nothing remembered from before. */
export interface AccountingCase {
  readonly id: string;
  readonly accountant: AccountantName;
  /** Processor time, milliseconds: what else the machine does is not in it. */
  readonly ms: number;
  /** What Google's Python library took for the same; null when the grid is absent. */
  readonly referenceMs: number | null;
  readonly timesFaster: number | null;
  /** ε at each δ, and how far above the reference, relatively. */
  readonly epsilon: Readonly<Record<string, number>>;
  readonly aboveReference: Readonly<Record<string, number>> | null;
}

/** All cells, and what they come to for each accountant. */
export interface AccountingResult {
  readonly cells: readonly AccountingCase[];
  readonly summary: readonly {
    readonly accountant: AccountantName;
    readonly cells: number;
    readonly medianMs: number;
    readonly slowestMs: number;
    readonly totalMs: number;
    readonly referenceMedianMs: number | null;
    readonly referenceTotalMs: number | null;
    /** Reference over own: of the totals, and of single cells the median and the least. */
    readonly timesFaster: { readonly total: number; readonly median: number; readonly least: number } | null;
  }[];
}

interface Cell {
  readonly id: string;
  readonly accountant: "rdp" | "pld";
  readonly relation: NeighbouringRelation;
  readonly event: DpEvent;
  readonly epsilons: readonly (readonly [delta: string, epsilon: number | null])[];
  readonly referenceMs: number | null;
}

/**
 * Times, in processor time, the Rényi and the privacy-loss accountant over the cells of the reference grid, or over a few
 * of the same kinds when
 * the grid is not there.
 *
 * @param options where the grid is, and how often to run
 */
export async function accountingBenchmark(options: AccountingOptions = {}): Promise<AccountingResult> {
  const path =
    options.grid ?? fileURLToPath(new URL("../../../../shared/vectors/accounting-grid.json", import.meta.url));
  const folder = process.env.FEDLOOP_VECTORS;
  const found = folder === undefined ? path : join(folder, "accounting-grid.json");
  const cells = existsSync(found) ? gridCells(readFileSync(found, "utf8")) : OWN_CELLS;
  const runs = options.runs ?? 3;
  const results = cells.map((cell) => timeCell(cell, runs));
  const names = [...new Set(results.map(({ accountant }) => accountant))];
  return {
    cells: results,
    summary: names.map((accountant) => {
      const own = results.filter((result) => result.accountant === accountant);
      const ms = own.map((result) => result.ms);
      const reference = own.flatMap((result) => (result.referenceMs === null ? [] : [result.referenceMs]));
      return {
        accountant,
        cells: own.length,
        medianMs: hundredths(median(ms)),
        slowestMs: Math.max(...ms),
        totalMs: hundredths(sum(ms)),
        referenceMedianMs: reference.length === 0 ? null : hundredths(median(reference)),
        referenceTotalMs: reference.length === 0 ? null : hundredths(sum(reference)),
        timesFaster: ratiosOf(own),
      };
    }),
  };
}

function ratiosOf(cells: readonly AccountingCase[]): AccountingResult["summary"][number]["timesFaster"] {
  const compared = cells.flatMap(({ ms, referenceMs, timesFaster }) =>
    referenceMs === null || timesFaster === null ? [] : [{ ms, referenceMs, timesFaster }],
  );
  if (compared.length === 0) return null;
  const ratios = compared.map(({ timesFaster }) => timesFaster);
  return {
    total: hundredths(sum(compared.map(({ referenceMs }) => referenceMs)) / sum(compared.map(({ ms }) => ms))),
    median: hundredths(median(ratios)),
    least: Math.min(...ratios),
  };
}

/** A cell that takes less is run again and again until it has taken so long, milliseconds. */
const LEAST_MEASURED_MS = 5;

function timeCell(cell: Cell, runs: number): AccountingCase {
  const epsilon: Record<string, number> = {};
  const once = (): number => {
    const start = process.cpuUsage();
    for (let times = 1; ; times++) {
      const accountant = accountantNamed(cell.accountant, cell.relation);
      accountant.compose(cell.event);
      for (const [delta] of cell.epsilons) {
        epsilon[delta] = accountant.epsilon(Number(delta)).epsilon;
      }
      const { user, system } = process.cpuUsage(start);
      const ms = (user + system) / 1000;
      if (ms >= LEAST_MEASURED_MS) return ms / times;
    }
  };
  once();
  const ms = hundredths(median(Array.from({ length: runs }, once)));
  const above = cell.epsilons.flatMap(([delta, reference]) =>
    reference === null ? [] : [[delta, (epsilon[delta] ?? 0) / reference - 1] as const],
  );
  return {
    id: cell.id,
    accountant: cell.accountant,
    ms,
    referenceMs: cell.referenceMs,
    timesFaster: cell.referenceMs === null ? null : Math.round((cell.referenceMs / Math.max(ms, 1e-3)) * 10) / 10,
    epsilon,
    aboveReference: above.length === 0 ? null : Object.fromEntries(above),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  if (typeof value !== "object" || value === null) {
    throw new TypeError("The reference grid is not of the expected form: an object was expected.");
  }
  return { ...value };
}

function gridCells(json: string): readonly Cell[] {
  const { values } = fields(JSON.parse(json));
  if (!Array.isArray(values)) {
    throw new TypeError("The reference grid is not of the expected form: it has no list of values.");
  }
  return values.flatMap((item): Cell[] => {
    const cell = fields(item);
    const event = gridEvent(fields(cell.event));
    const { accountant } = cell;
    if (event === undefined || cell.epsilon === undefined || (accountant !== "rdp" && accountant !== "pld")) {
      return [];
    }
    return [
      {
        id: String(cell.id),
        accountant,
        relation: relationNamed(cell.relation),
        event,
        epsilons: Object.entries(fields(cell.epsilon)).map(([delta, epsilon]) => [delta, Number(epsilon)]),
        referenceMs: hundredths(Number(cell.total_s) * 1000),
      },
    ];
  });
}

function relationNamed(name: unknown): NeighbouringRelation {
  switch (name) {
    case "REPLACE_ONE":
      return "replace-one";
    case "REPLACE_SPECIAL":
      return "replace-special";
    default:
      return "add-or-remove-one";
  }
}

/** The mechanism of a cell; undefined for compositions that the grid spells as Python text. */
function gridEvent(event: Fields): DpEvent | undefined {
  const gaussian = { type: "Gaussian", noiseMultiplier: event.sigma };
  const inner = ((): Fields | undefined => {
    switch (event.type) {
      case "poisson_gaussian":
        return event.q === 1 ? gaussian : { type: "PoissonSampled", samplingProbability: event.q, event: gaussian };
      case "wor_gaussian":
        return { type: "SampledWithoutReplacement", sourceSize: event.N, sampleSize: event.b, event: gaussian };
      case "laplace":
        return { type: "Laplace", noiseMultiplier: event.b };
      case "discrete_gaussian":
        return { type: "DiscreteGaussian", sigma: event.sigma, sensitivity: event.sensitivity };
      case "discrete_laplace":
        return { type: "DiscreteLaplace", noiseParameter: event.a, sensitivity: event.sensitivity };
      case "single_epoch_tree_gaussian":
        return { type: "SingleEpochTreeAggregation", noiseMultiplier: event.sigma, stepCounts: event.step_counts };
      case "zcdp":
        return { type: "ZCdp", rho: event.rho, xi: 0 };
      default:
        return undefined;
    }
  })();
  return inner === undefined
    ? undefined
    : parseDpEvent({ type: "SelfComposed", count: event.steps ?? 1, event: inner });
}

const OWN_CELLS: readonly Cell[] = [
  [0.001, 0.8, 10_000],
  [0.01, 1, 1000],
  [0.1, 2, 1000],
].flatMap(([q = 0, sigma = 1, steps = 1]) =>
  (["rdp", "pld"] as const).map((accountant): Cell => {
    return {
      id: `q${q}_s${sigma}_T${steps}`,
      accountant,
      relation: "add-or-remove-one",
      event: {
        type: "SelfComposed",
        count: steps,
        event: { type: "PoissonSampled", samplingProbability: q, event: { type: "Gaussian", noiseMultiplier: sigma } },
      },
      epsilons: [
        ["1e-05", null],
        ["1e-06", null],
      ],
      referenceMs: null,
    };
  }),
);

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
