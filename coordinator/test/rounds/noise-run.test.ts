import { CorrelatedNoise, systemRandom } from "@fedloop/privacy";
import t from "tap";
import { buildSchedule } from "../../src/rounds/build-schedule.js";
import { NoiseSeal, nextPosition, runName, type StoredRun } from "../../src/rounds/noise-run.js";
import { costOf, type RoundSpec } from "../../src/rounds/round-spec.js";
import { testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

const KEY = new Uint8Array(32).fill(5);
const FIRST = new Uint8Array(32).fill(9);

async function runSpec(test: Parameters<typeof temporaryFolder>[0], noiseMultiplier = 3): Promise<RoundSpec> {
  const { plan } = await testPlan(temporaryFolder(test), {
    policy: { epsilon: 1000, delta: 1e-5 },
    rounds: 4,
    privacy: { mechanism: "dp-ftrl", noiseMultiplier, factorisation: { minSeparation: 2, bands: 3 } },
  });
  const [spec] = buildSchedule(plan, 1).rounds;
  if (spec === undefined) throw new Error("expected a round");
  return spec;
}

function noiseOf({ mechanism }: RoundSpec) {
  if (mechanism?.at !== "run") throw new Error("expected a run");
  return mechanism;
}

async function stored(spec: RoundSpec): Promise<StoredRun> {
  const noise = new CorrelatedNoise(noiseOf(spec), systemRandom());
  noise.addTo(new Float64Array(3));
  const sealed = new NoiseSeal(KEY).seal("lecturers", FIRST, noise.state());
  return { first: FIRST, event: JSON.stringify(spec.event), step: 1, sealed };
}

t.test("a run goes on with its event, up to its last step, and else begins anew", async (t) => {
  const spec = await runSpec(t);
  const run = await stored(spec);
  t.same(nextPosition(spec, undefined), { first: null, step: 1 });
  t.same(nextPosition(spec, run), { first: FIRST, step: 2 });
  t.same(nextPosition(spec, { ...run, step: 3 }), { first: FIRST, step: 4 });
  t.same(nextPosition(spec, { ...run, step: 4 }), { first: null, step: 1 }, "all steps are taken");
  t.same(nextPosition(await runSpec(t, 4), run), { first: null, step: 1 }, "the plan has another noise now");
  t.equal(runName({ first: null, step: 1 }, FIRST), runName({ first: FIRST, step: 2 }, undefined), "one name for all");
  t.equal(costOf(spec, "x").run, "x");
});

t.test("what is sealed opens to the same buffers, with the same key, run and step only", async (t) => {
  const spec = await runSpec(t);
  const mechanism = noiseOf(spec);
  const noise = new CorrelatedNoise(mechanism, systemRandom());
  noise.addTo(new Float64Array(3));
  const state = noise.state();
  const sealed = new NoiseSeal(KEY).seal("lecturers", FIRST, state);
  const run: StoredRun = { first: FIRST, event: "", step: 1, sealed };
  t.same(new NoiseSeal(KEY).open("lecturers", run, mechanism), state);
  t.notOk(
    Buffer.from(sealed).includes(Buffer.from(state.buffers[0]?.buffer ?? new ArrayBuffer(1))),
    "it does not show",
  );
  const code = { code: "STORE_UNREADABLE" };
  const seal = new NoiseSeal(KEY);
  t.throws(() => new NoiseSeal(new Uint8Array(32)).open("lecturers", run, mechanism), code);
  t.throws(() => seal.open("students", run, mechanism), code);
  t.throws(() => seal.open("lecturers", { ...run, step: 2 }, mechanism), code);
  t.throws(() => seal.open("lecturers", { ...run, first: KEY }, mechanism), code);
  const changed = sealed.slice();
  changed[20] = (changed[20] ?? 0) ^ 1;
  t.throws(() => seal.open("lecturers", { ...run, sealed: changed }, mechanism), code);
  t.throws(() => seal.open("lecturers", { ...run, sealed: new Uint8Array(3) }, mechanism), code);
});
