import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DpEvent, type NeighbouringRelation, parseDpEvent } from "../../src/index.js";

/** One expected value of the shared reference sets, in this package's terms. */
export interface ReferenceCell {
  readonly id: string;
  readonly accountant: "rdp" | "pld";
  readonly relation: NeighbouringRelation;
  readonly event: DpEvent;
  /** [δ, ε] */
  readonly epsilons: readonly (readonly [delta: number, epsilon: number])[];
  /** Seconds the Python reference took. */
  readonly seconds: number;
}

const folder: string =
  process.env.FEDLOOP_VECTORS ?? fileURLToPath(new URL("../../../../../shared/vectors", import.meta.url));

/** The text of a shared vector file, undefined when the folder is absent. */
export function sharedVectors(name: string): string | undefined {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  if (typeof value !== "object" || value === null) {
    throw new TypeError("expected an object");
  }
  return { ...value };
}

/** The cells of `accounting-grid.json` that have an ε, for the named accountant. */
export function gridCells(json: string, accountant: "rdp" | "pld"): ReferenceCell[] {
  const cells: ReferenceCell[] = [];
  const { values } = fields(JSON.parse(json));
  if (!Array.isArray(values)) {
    throw new TypeError("expected a list of values");
  }
  for (const item of values) {
    const cell = fields(item);
    if (cell.accountant !== accountant || cell.epsilon === undefined) {
      continue;
    }
    const relation = relationNamed(cell.relation);
    cells.push({
      id: String(cell.id),
      accountant,
      relation,
      event: gridEvent(fields(cell.event)),
      epsilons: Object.entries(fields(cell.epsilon)).map(([delta, epsilon]) => [Number(delta), Number(epsilon)]),
      seconds: Number(cell.total_s),
    });
  }
  return cells;
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

function gridEvent(event: Fields): DpEvent {
  const repeated = (inner: unknown): DpEvent =>
    parseDpEvent({ type: "SelfComposed", count: event.steps ?? 1, event: inner });
  switch (event.type) {
    case "poisson_gaussian":
      return repeated(
        event.q === 1
          ? { type: "Gaussian", noiseMultiplier: event.sigma }
          : {
              type: "PoissonSampled",
              samplingProbability: event.q,
              event: { type: "Gaussian", noiseMultiplier: event.sigma },
            },
      );
    case "wor_gaussian":
      return repeated({
        type: "SampledWithoutReplacement",
        sourceSize: event.N,
        sampleSize: event.b,
        event: { type: "Gaussian", noiseMultiplier: event.sigma },
      });
    case "poisson_of_composed":
      return repeated({
        type: "PoissonSampled",
        samplingProbability: event.q,
        event: {
          type: "Composed",
          events: Array.isArray(event.sigmas)
            ? event.sigmas.map((noiseMultiplier) => ({ type: "Gaussian", noiseMultiplier }))
            : [],
        },
      });
    case "laplace":
      return repeated({ type: "Laplace", noiseMultiplier: event.b });
    case "discrete_gaussian":
      return repeated({ type: "DiscreteGaussian", sigma: event.sigma, sensitivity: event.sensitivity });
    case "discrete_laplace":
      return repeated({ type: "DiscreteLaplace", noiseParameter: event.a, sensitivity: event.sensitivity });
    case "single_epoch_tree_gaussian":
      return repeated({
        type: "SingleEpochTreeAggregation",
        noiseMultiplier: event.sigma,
        stepCounts: event.step_counts,
      });
    case "zcdp":
      return repeated({ type: "ZCdp", rho: event.rho, xi: 0 });
    case "composition":
      return compositionFrom(String(event.repr));
    default:
      throw new TypeError(`no event for ${String(event.type)}`);
  }
}

/** The compositions of the grid come as Python representations, of these kinds only. */
function compositionFrom(text: string): DpEvent {
  const number = "([0-9.e+-]+)";
  const json = text
    .replace(new RegExp(String.raw`SelfComposedDpEvent\(event=(.*?), count=${number}\)`, "g"), (_, inner, count) => {
      return `{"type":"SelfComposed","event":${inner},"count":${count}}`;
    })
    .replace(
      new RegExp(String.raw`PoissonSampledDpEvent\(sampling_probability=${number}, event=(.*?\))\)`, "g"),
      '{"type":"PoissonSampled","samplingProbability":$1,"event":$2}',
    )
    .replace(new RegExp(String.raw`GaussianDpEvent\(noise_multiplier=${number}\)`, "g"), (_, noise) => {
      return `{"type":"Gaussian","noiseMultiplier":${noise}}`;
    })
    .replace(new RegExp(String.raw`LaplaceDpEvent\(noise_multiplier=${number}\)`, "g"), (_, noise) => {
      return `{"type":"Laplace","noiseMultiplier":${noise}}`;
    })
    .replace(new RegExp(String.raw`EpsilonDeltaDpEvent\(epsilon=${number}, delta=${number}\)`, "g"), (_, e, d) => {
      return `{"type":"EpsilonDelta","epsilon":${e},"delta":${d}}`;
    })
    .replace(/ComposedDpEvent\(events=\[(.*)\]\)/, '{"type":"Composed","events":[$1]}');
  return parseDpEvent(JSON.parse(json));
}
