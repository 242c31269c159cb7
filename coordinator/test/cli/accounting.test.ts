import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AccountantName, epsilonOf, parseDpEvent } from "@fedloop/privacy";
import t from "tap";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";
import { centralNoise } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";
import { type Typed, typed } from "./typed.js";

const run = (words: readonly string[], input = ""): Promise<Typed> => typed(words, { input });

const gaussian = { type: "Gaussian", noiseMultiplier: 1 };
const sampled = { type: "PoissonSampled", samplingProbability: 0.01, event: gaussian };
const run100 = { noiseMultiplier: 1, steps: 100, minSeparation: 50, maxParticipations: 2 };

/** The shapes of events that the documentation promises, and which accountants answer for each. */
const SHAPES: readonly (readonly [event: object, accountants: readonly AccountantName[]])[] = [
  [gaussian, ["rdp", "pld", "zcdp"]],
  [{ type: "SelfComposed", count: 1000, event: sampled }, ["rdp", "pld"]],
  [{ type: "Composed", events: [gaussian, { type: "NoOp" }] }, ["rdp", "pld", "zcdp"]],
  [{ type: "Laplace", noiseMultiplier: 2 }, ["rdp", "pld", "zcdp"]],
  [{ type: "DiscreteGaussian", sigma: 4, sensitivity: 2 }, ["rdp", "pld", "zcdp"]],
  [{ type: "EpsilonDelta", epsilon: 0.5, delta: 1e-7 }, ["rdp", "pld", "zcdp"]],
  [{ type: "RandomizedResponse", noiseParameter: 0.5, buckets: 4 }, ["rdp", "pld", "zcdp"]],
  [{ type: "Exponential", epsilon: 1 }, ["rdp", "pld", "zcdp"]],
  [{ type: "SampledWithoutReplacement", sourceSize: 1000, sampleSize: 10, event: gaussian }, ["rdp", "pld"]],
  [{ type: "SingleEpochTreeAggregation", noiseMultiplier: 2, stepCounts: [64, 32] }, ["rdp", "pld", "zcdp"]],
  [{ type: "ZCdp", rho: 0.1, xi: 0 }, ["rdp", "pld", "zcdp"]],
  [{ type: "BltMatrixFactorization", bufferDecay: [0.9], outputScale: [0.2], ...run100 }, ["rdp", "pld", "zcdp"]],
];

t.test("epsilon answers for every shape of event, from a file and from standard input", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "event.json");
  for (const [event, accountants] of SHAPES) {
    writeFileSync(path, JSON.stringify(event));
    for (const accountant of accountants) {
      const words = ["epsilon", "--delta", "1e-5", "--accountant", accountant, "--json"];
      const ran = await run([...words, "--event", path]);
      t.match(ran, { exitCode: 0, err: "" });
      const { epsilon, optimalOrder } = epsilonOf(parseDpEvent(event), 1e-5, accountant);
      const order = accountant === "rdp" ? { optimalOrder } : {};
      t.same(JSON.parse(ran.out), { epsilon, delta: 1e-5, accountant, ...order });
      t.same(await run([...words, "--event", "-"], JSON.stringify(event)), ran, "the same from standard input");
    }
  }
  const text = await run(["epsilon", "--event", "-", "--delta", "1e-5"], JSON.stringify(gaussian));
  t.match(text.out, /^ε = 4\.\d+ at δ = 0\.00001 \(rdp, add-or-remove-one, at Rényi order [\d.]+\)\n$/);
});

t.test("what has no finite ε says so, in JSON too, which has no infinity", async (t) => {
  const ran = await run(["epsilon", "--event", "-", "--delta", "1e-5", "--json"], '{"type":"NonPrivate"}');
  t.same(JSON.parse(ran.out), { epsilon: "unbounded", delta: 1e-5, accountant: "rdp" });
});

/** Input and flags that are wrong, the exit code, and what is said. */
const WRONG: readonly (readonly [input: string, flags: readonly string[], exitCode: number, says: RegExp])[] = [
  ["{", [], 3, /BAD_DATA: standard input: expected one event as JSON/],
  ["", [], 3, /BAD_DATA/],
  ["[]", [], 3, /UNKNOWN_EVENT|INVALID_EVENT/],
  ['{"type":"Gausian"}', [], 3, /UNKNOWN_EVENT/],
  ['{"type":"Gaussian","noiseMultiplier":-1}', [], 3, /INVALID_EVENT: noiseMultiplier/],
  ['{"type":"Gaussian","noiseMultiplier":1,"sigma":2}', [], 3, /INVALID_EVENT/],
  ['{"type":"Gaussian","noiseMultiplier":1}', ["--delta", "1e-13"], 3, /DELTA_TOO_SMALL/],
  ['{"type":"Gaussian","noiseMultiplier":1}', ["--delta", "0"], 2, /--delta/],
  ['{"type":"Gaussian","noiseMultiplier":1}', ["--delta", "NaN"], 2, /--delta/],
  ['{"type":"Gaussian","noiseMultiplier":1}', ["--accountant", "gdp"], 2, /--accountant/],
  [JSON.stringify(sampled), ["--accountant", "zcdp"], 3, /UNSUPPORTED_EVENT/],
  [`${" ".repeat(5 << 20)}{}`, [], 3, /at most \d+ bytes/],
];

t.test("what is wrong is said in one line, with an exit code of its own", async (t) => {
  for (const [input, flags, exitCode, says] of WRONG) {
    const words = ["epsilon", "--event", "-", ...(flags.includes("--delta") ? [] : ["--delta", "1e-5"]), ...flags];
    const ran = await run(words, input);
    t.match(ran, { exitCode, out: "", err: says }, input.slice(0, 60));
    t.equal(ran.err.trim().split("\n").length, 1);
  }
  t.match(await run(["epsilon", "--event", "/none", "--delta", "1e-5"]), { exitCode: 3, err: /FILE_UNREADABLE/ });
});

t.test("calibrate finds the least noise that meets the target, and fills the event in", async (t) => {
  const shapes: readonly unknown[] = [
    { type: "SelfComposed", count: 100, event: { type: "Gaussian", noiseMultiplier: "z" } },
    { type: "Gaussian", noiseMultiplier: null },
    { type: "Composed", events: [gaussian, { type: "Laplace", noiseMultiplier: 2 }] },
    { type: "DiscreteGaussian", sigma: "100 z", sensitivity: 100 },
  ];
  for (const shape of shapes) {
    const words = ["calibrate", "--event", "-", "--epsilon", "2", "--delta", "1e-5", "--json"];
    const ran = await run(words, JSON.stringify(shape));
    t.match(ran, { exitCode: 0, err: "" });
    const { noiseMultiplier, epsilon, event } = JSON.parse(ran.out);
    t.ok(epsilon <= 2 && epsilon > 2 * (1 - 1e-6), `ε ${epsilon}`);
    t.equal(epsilonOf(parseDpEvent(event), 1e-5, "rdp").epsilon, epsilon, "of the event that is printed");
    t.ok(noiseMultiplier > 0.5);
  }
  const twice = await run(
    ["calibrate", "--event", "-", "--epsilon", "1", "--delta", "1e-6", "--accountant", "pld"],
    '{"type":"Gaussian","noiseMultiplier":"z"}',
  );
  // The analytic Gaussian mechanism of Balle and Wang (2018): σ = 4.2247 at ε = 1, δ = 1e-6.
  t.match(twice.out, /^noise multiplier 4\.22\d+: ε = (1|0\.9\d+) at δ = 0\.000001 \(pld\)\n\{"type":"Gaussian"/);
});

t.test("calibrate refuses an event without free noise, and a target that nothing meets", async (t) => {
  const words = ["calibrate", "--event", "-", "--epsilon", "1", "--delta", "1e-5"];
  t.match(await run(words, '{"type":"NoOp"}'), { exitCode: 3, err: /expected an event with noise to be found/ });
  const spent = { type: "Composed", events: [gaussian, { type: "Laplace", noiseMultiplier: "z" }] };
  t.match(await run(words, JSON.stringify(spent)), { exitCode: 5, err: /TARGET_UNREACHABLE/ });
});

t.test("budget says what is spent, reserved and left, of a population and of each participant", async (t) => {
  const federation = await Federation.open(t, { plan: { rounds: 3, ...centralNoise(2, 8) } });
  const people = await Promise.all([1, 2, 3].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  const config = join(federation.folder, "fedloop.yaml");
  writeFileSync(config, "origin: example.org/coordinator-test\nplans: [plan.yaml]\ndataDir: .\n");
  const budget = async () => {
    const ran = await run(["--config", config, "budget", "--participants", "--json"]);
    t.match(ran, { exitCode: 0, err: "" });
    return JSON.parse(ran.out).populations[0];
  };
  const after = (count: number, accountant: AccountantName): number =>
    epsilonOf({ type: "SelfComposed", count, event: { type: "Gaussian", noiseMultiplier: 2 } }, 1e-5, accountant)
      .epsilon;

  t.match(await budget(), {
    population: "lecturers",
    unit: "participant",
    cap: 8,
    spent: { rdp: 0, pld: 0, enforced: 0 },
    reserved: null,
    left: 8,
    next: { round: 1, kind: "train", isAllowed: true },
    participants: { count: 0, largest: 0, each: [] },
  });

  // One of three has joined: the round is reserved and waits for the others.
  const [first, ...others] = people;
  if (first === undefined) throw new Error("expected participants");
  const running = federation.run();
  const part = federation.takePart(first);
  await federation.notice(({ state }) => state === "selecting");
  const reserved = await budget();
  t.match(reserved, { spent: { enforced: 0 }, reserved: { round: 1, isAllowed: true }, next: { round: 2 } });
  t.ok(Math.abs(Number(reserved.reserved.cost) - after(1, "rdp")) < 1e-9);
  t.ok(Math.abs(Number(reserved.left) - (8 - after(1, "rdp"))) < 1e-9);
  const parts = others.map((person) => federation.takePart(person));
  await running;
  await Promise.all([part, ...parts]);

  const done = await budget();
  t.match(done, { reserved: null, next: null, participants: { count: 3 } });
  t.ok(Math.abs(Number(done.spent.rdp) - after(3, "rdp")) < 1e-9);
  t.ok(Number(done.spent.enforced) >= Math.max(Number(done.spent.rdp), Number(done.spent.pld)), "the larger counts");
  const each: readonly Record<string, unknown>[] = done.participants.each;
  t.same(
    each.map(({ subject }) => subject),
    people.map(({ subject }) => subject).sort(),
  );
  for (const one of each) t.match(one, { rounds: 3, reserved: 0, limit: 8 });
  const text = await run(["--config", config, "budget"]);
  t.match(text.out, /spent +ε \d\.\d+ \(RDP \d\.\d+, PLD \d\.\d+\) of 8/);
  t.match(text.out, "no more rounds in the plan");
});
