// Every value of accounting.json, when it is there: each vector has a check here, or a reason why it has none.
import t, { type Test } from "tap";
import { rdpCurve } from "../../src/accounting/rdp/curves.js";
import {
  type AccountantName,
  accountantNamed,
  bltCoefficients,
  type DpEvent,
  epsilonOf,
  gaussianDelta,
  gaussianEpsilon,
  RDP_ORDERS,
  rdpAccountant,
  roundedNormBound,
  toeplitzSensitivity,
  treeSensitivitySquared,
  zcdpEpsilon,
} from "../../src/index.js";
import { sharedVectors } from "./sharedVectors.js";

interface Vector {
  readonly mechanism: string;
  readonly params: Params;
  readonly delta: number;
  readonly epsilon: number;
  readonly accountant: string;
}

/** Parameters by their names in the file: numbers, and lists of numbers. */
class Params {
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(fields: unknown) {
    this.#fields = new Map(Object.entries(typeof fields === "object" && fields !== null ? fields : {}));
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  number(name: string, otherwise = Number.NaN): number {
    const value = this.#fields.get(name) ?? otherwise;
    return typeof value === "number" ? value : Number.NaN;
  }

  list(name: string): number[] {
    const value = this.#fields.get(name);
    return Array.isArray(value) ? value.map(Number) : [];
  }

  relation(): "replace-one" | "replace-special" {
    return this.#fields.get("neighboring") === "REPLACE_SPECIAL" ? "replace-special" : "replace-one";
  }
}

const times = (count: number, event: DpEvent): DpEvent => ({ type: "SelfComposed", count, event });

function sampledGaussian(params: Params): DpEvent {
  const noiseMultiplier = params.number("noise_multiplier", params.number("std") / params.number("sensitivity", 1));
  const samplingProbability = params.number("sampling_prob", 1);
  const event: DpEvent = { type: "Gaussian", noiseMultiplier };
  const count = params.number("count", 1);
  return times(count, samplingProbability === 1 ? event : { type: "PoissonSampled", samplingProbability, event });
}

function near(t: Test, came: number, due: number, tolerance: number, what: string): void {
  t.ok(Math.abs(came - due) <= tolerance * Math.abs(due), `${what}: ${came} for ${due}`);
}

/** ε by the accountant that the vector names: Rényi within 1e-6; losses within 1e-3, and not below by more than 1e-4. */
function checkEpsilon(t: Test, vector: Vector, event: DpEvent, relation?: "replace-one" | "replace-special"): void {
  const { accountant, delta, epsilon, mechanism } = vector;
  const name: AccountantName = accountant.startsWith("RDP") ? "rdp" : "pld";
  const came = epsilonOf(event, delta, name, relation).epsilon;
  if (name === "rdp") near(t, came, epsilon, 1e-6, mechanism);
  else t.ok(came >= epsilon * (1 - 1e-4) && came <= epsilon * (1 + 1e-3), `${mechanism}: ${came} for ${epsilon}`);
}

function checkGaussian(t: Test, vector: Vector): void {
  const { params, accountant, delta, epsilon, mechanism } = vector;
  if (accountant.startsWith("analytic (Balle")) {
    near(t, gaussianEpsilon(params.number("noise_multiplier"), delta), epsilon, 1e-9, mechanism);
    return;
  }
  if (!params.has("orders")) {
    checkEpsilon(t, vector, sampledGaussian(params));
    return;
  }
  const fine = rdpAccountant({ orders: Array.from({ length: 98_989 }, (_, i) => (1011 + i) / 1000) });
  fine.compose(sampledGaussian(params));
  near(t, fine.epsilon(delta).epsilon, epsilon, 1e-6, `${mechanism}, fine orders`);
}

function checkSampled(t: Test, vector: Vector): void {
  const { params, accountant, delta, epsilon, mechanism } = vector;
  if (accountant.startsWith("GDP")) return; // a central limit, which is no bound: this package has none
  if (!accountant.startsWith("RDP (exact")) {
    checkEpsilon(t, vector, sampledGaussian(params));
    return;
  }
  const orders = RDP_ORDERS.filter((order) => order < 11 || (order >= 12 && order <= 63));
  const signed = rdpAccountant({ orders, fractionalOrders: "signed" });
  signed.compose(sampledGaussian(params));
  near(t, signed.epsilon(delta).epsilon, epsilon, 1e-6, `${mechanism}, signed`);
}

function checkCurve(t: Test, { params, mechanism }: Vector, event: DpEvent, tolerance: number): void {
  const orders = Float64Array.from(params.list("orders"));
  const relation = event.type === "RandomizedResponse" ? params.relation() : "add-or-remove-one";
  const { rdp } = rdpCurve(event, { orders, relation, fractionalOrders: "absolute" });
  params.list("rdp").forEach((due, i) => {
    near(t, rdp[i] ?? Number.NaN, due, tolerance, `${mechanism} at ${orders[i]}`);
  });
}

function checkLaplace(t: Test, vector: Vector): void {
  const { params, accountant, delta, epsilon, mechanism } = vector;
  const event = times(params.number("count"), { type: "Laplace", noiseMultiplier: params.number("b") });
  if (!accountant.startsWith("analytic")) {
    checkEpsilon(t, vector, event);
    return;
  }
  // The formula is ε where δ is small; losses go up to a grid.
  const came = epsilonOf(event, delta, "pld").epsilon;
  t.ok(came >= epsilon * (1 - 1e-4) && came <= epsilon * (1 + 1e-3), `${mechanism}: ${came} for ${epsilon}`);
}

function checkDiscreteGaussian(t: Test, vector: Vector): void {
  const { params, delta, epsilon, mechanism } = vector;
  const sigma = params.number("sigma", Math.sqrt(params.number("sigma2")));
  const event: DpEvent = { type: "DiscreteGaussian", sigma, sensitivity: 1 };
  if (!params.has("sigma2")) {
    checkEpsilon(t, vector, event);
    return;
  }
  const ledger = accountantNamed("pld", "add-or-remove-one");
  ledger.compose(event);
  const came = ledger.delta(epsilon);
  // Losses go up to a grid of 1e-4, which changes δ by about that much of itself, more where it is tiny.
  t.ok(came >= delta * (1 - 1e-9) && came <= delta * 1.01, `${mechanism}: δ ${came} for ${delta}`);
}

function checkTree(t: Test, { params, mechanism }: Vector): void {
  const [steps, minSeparation] = [params.number("total_steps"), params.number("min_separation")];
  const squared = treeSensitivitySquared({ steps, minSeparation, maxParticipations: steps });
  near(t, squared / (2 * params.number("noise_multiplier") ** 2), params.number("zcdp_rho"), 1e-12, mechanism);
}

function checkBlt(t: Test, { params, mechanism }: Vector): void {
  const steps = params.number("total_steps");
  const coefficients = bltCoefficients(params.list("buf_decay"), params.list("output_scale"), steps);
  const maxParticipations = params.number("max_participations");
  const minSeparation = params.number("min_separation");
  const sensitivity = toeplitzSensitivity(coefficients, { steps, minSeparation, maxParticipations });
  const rho = sensitivity ** 2 / (2 * params.number("noise_multiplier") ** 2);
  near(t, rho, params.number("zcdp_rho"), 1e-6, mechanism);
}

function checkSmallestDelta(t: Test, { delta, epsilon, mechanism }: Vector, event: DpEvent): void {
  // δ below 1e-12 is refused as a question; as an answer it is small.
  const ledger = accountantNamed("pld", "add-or-remove-one");
  ledger.compose(event);
  t.throws(() => ledger.epsilon(delta), { code: "DELTA_TOO_SMALL" });
  t.ok(ledger.delta(epsilon * (1 + 1e-3)) < 1e-9, `${mechanism}: δ ${ledger.delta(epsilon * (1 + 1e-3))}`);
  t.ok(ledger.delta(epsilon * 0.9) > 1e-9);
}

const mixture = (standardDeviation: number, sensitivities: number[], probabilities: number[]): DpEvent => ({
  type: "MixtureOfGaussians",
  standardDeviation,
  sensitivities,
  probabilities,
});

/** Checks by mechanism. What a vector says of several events in a nested form is spelled out here. */
const CHECKS: Readonly<Record<string, (t: Test, vector: Vector) => void>> = {
  "pure-DP as constant RDP": (t, { params, delta, epsilon, mechanism }) => {
    const accountant = rdpAccountant({ orders: Array.from({ length: 31 }, (_, i) => i + 2) });
    accountant.compose({ type: "ZCdp", rho: 0, xi: params.number("rdp") });
    near(t, accountant.epsilon(delta).epsilon, epsilon, 1e-7, mechanism);
  },
  gaussian: checkGaussian,
  "poisson_gaussian RDP curve": (t, vector) => {
    // Published to about six digits, at its order 100 to nine.
    checkCurve(t, vector, sampledGaussian(vector.params), 1e-4);
  },
  "k-ary randomized response RDP": (t, vector) => {
    const noiseParameter = vector.params.number("noise_parameter");
    const buckets = vector.params.number("num_buckets");
    checkCurve(t, vector, { type: "RandomizedResponse", noiseParameter, buckets }, 1e-9);
  },
  poisson_laplace: (t, vector) => {
    const event: DpEvent = { type: "Laplace", noiseMultiplier: vector.params.number("laplace_b") };
    const samplingProbability = vector.params.number("sampling_prob");
    checkSmallestDelta(t, vector, times(3, { type: "PoissonSampled", samplingProbability, event }));
  },
  "composed discrete laplace": (t, vector) => {
    const laplace = (noiseParameter: number): DpEvent => ({ type: "DiscreteLaplace", noiseParameter, sensitivity: 1 });
    checkSmallestDelta(t, vector, { type: "Composed", events: [times(3, laplace(1)), times(2, laplace(0.5))] });
  },
  "mixture of gaussians": (t, vector) => {
    const first = mixture(1, [0, 1, 2], [0.2, 0.6, 0.2]);
    const second = mixture(2, [0, 2, 3], [0.33, 0.34, 0.33]);
    checkEpsilon(t, vector, { type: "Composed", events: [times(3, first), times(2, second)] });
  },
  "poisson_gaussian calibration (std for eps=1)": (t, vector) =>
    checkEpsilon(t, vector, sampledGaussian(vector.params)),
  "gaussian calibration (std for target)": (t, { params, delta, epsilon, mechanism }) => {
    near(t, gaussianDelta(params.number("std") / params.number("sensitivity"), epsilon), delta, 1e-6, mechanism);
  },
  "advanced composition (KOV15)": (t, { params, delta, epsilon, mechanism }) => {
    const event: DpEvent = { type: "EpsilonDelta", epsilon: params.number("eps0"), delta: params.number("delta0") };
    const came = epsilonOf(times(params.number("count"), event), delta, "pld").epsilon;
    // Theirs is one of the ε of a discrete set; the optimum may lie below it.
    t.ok(came <= epsilon * (1 + 1e-6) && came > epsilon - 2, `${mechanism}: ${came}`);
  },
  poisson_gaussian: checkSampled,
  "poisson_gaussian (MNIST DP-SGD)": checkSampled,
  "tree aggregation, 4 restarts same records": (t, vector) => {
    const noiseMultiplier = vector.params.number("noise_multiplier");
    const [steps = 0] = vector.params.list("steps");
    checkEpsilon(t, vector, times(4, { type: "SingleEpochTreeAggregation", noiseMultiplier, stepCounts: [steps] }));
  },
  "tree aggregation no restart, min-separation": checkTree,
  "BLT (buffered linear Toeplitz) matrix mechanism": checkBlt,
  "zCDP->approxDP": (t, { params, delta, epsilon, mechanism }) => {
    near(t, zcdpEpsilon(params.number("rho"), delta), epsilon, 1e-8, mechanism);
  },
  "discrete gaussian, sensitivity 1": checkDiscreteGaussian,
  laplace: checkLaplace,
  "heterogeneous (README of prv_accountant)": (t, vector) => {
    const sampled: DpEvent = {
      type: "PoissonSampled",
      samplingProbability: 0.005,
      event: { type: "Gaussian", noiseMultiplier: 0.8 },
    };
    const gaussian: DpEvent = { type: "Gaussian", noiseMultiplier: 8 };
    const laplace: DpEvent = { type: "Laplace", noiseMultiplier: 10 };
    const events = [times(100, sampled), times(200, gaussian), times(100, laplace)];
    checkEpsilon(t, vector, { type: "Composed", events });
  },
  "sampled without replacement gaussian": (t, vector) => {
    const { params } = vector;
    const event: DpEvent = {
      type: "SampledWithoutReplacement",
      sourceSize: params.number("dataset"),
      sampleSize: params.number("sample"),
      event: { type: "Gaussian", noiseMultiplier: params.number("noise_multiplier") },
    };
    checkEpsilon(t, vector, times(params.number("count"), event), "replace-one");
  },
  "post-rounding L2 bound": (t, { params, mechanism }) => {
    near(
      t,
      roundedNormBound(params.number("scaled_l2"), params.number("dim")),
      params.number("bound"),
      1e-12,
      mechanism,
    );
  },
  "REGRESSION GUARD exponential mechanism x10": (t, vector) => {
    checkEpsilon(t, vector, times(10, { type: "Exponential", epsilon: vector.params.number("epsilon0") }));
  },
  "REGRESSION GUARD randomized response x10": (t, vector) => {
    const noiseParameter = vector.params.number("noise_parameter");
    const buckets = vector.params.number("num_buckets");
    checkEpsilon(
      t,
      vector,
      times(10, { type: "RandomizedResponse", noiseParameter, buckets }),
      vector.params.relation(),
    );
  },
};

/** Vectors of the encoding of noise on devices: distributed.test.ts has them, with the mechanism they belong to. */
const ELSEWHERE: ReadonlySet<string> = new Set(["distributed discrete gaussian", "distributed skellam"]);

function vectorsOf(json: string): readonly Vector[] {
  const { vectors }: { readonly vectors?: unknown } = JSON.parse(json);
  if (!Array.isArray(vectors)) throw new TypeError("expected a list of vectors");
  return vectors.map((vector) => ({
    mechanism: String(vector.mechanism),
    params: new Params(vector.params),
    delta: Number(vector.delta),
    epsilon: Number(vector.epsilon),
    accountant: String(vector.accountant),
  }));
}

t.test("every published vector holds", async (t) => {
  const json = sharedVectors("accounting.json");
  if (json === undefined) {
    t.comment("shared vectors are absent");
    return;
  }
  const vectors = vectorsOf(json);
  t.ok(vectors.length > 60);
  for (const vector of vectors) {
    const check = CHECKS[vector.mechanism];
    if (check === undefined) t.ok(ELSEWHERE.has(vector.mechanism), `a check of ${vector.mechanism}`);
    else check(t, vector);
  }
});
