// What of a simulation may depend on the seed, and what on the number of threads: nothing.
import t from "tap";
import { simulated, virtualSection } from "./virtual-plan.js";

t.setTimeout(600_000);

t.test("plain floats are added up in one order, whichever thread is first", async (t) => {
  const plan = { ...virtualSection(), strategy: { id: "fedavgm", settings: { momentum: 0.5 } } };
  const [one, three] = [await simulated(t, plan, 1), await simulated(t, plan, 3)];
  t.equal(one.modelSha256, three.modelSha256);
  t.same(one.rounds, three.rounds);
  const other = await simulated(t, { ...plan, ...virtualSection({ seed: 8 }) });
  t.not(other.modelSha256, one.modelSha256, "another seed, another model");
});

t.test("runs of correlated noise and adaptive clips go on from round to round", async (t) => {
  const policy = { epsilon: 1_000, delta: 1e-5 };
  const factorisation = { minSeparation: 3, bands: 3 };
  const ftrl = {
    policy,
    privacy: { mechanism: "dp-ftrl", clipNorm: 1, noiseMultiplier: 0.2, bits: 24, factorisation },
  };
  const [one, two] = [await simulated(t, ftrl, 1), await simulated(t, ftrl, 2)];
  t.equal(one.modelSha256, two.modelSha256);
  t.equal(new Set(one.rounds.map(({ epsilon }) => epsilon)).size, 1, "a run is paid for once");
  const adaptiveClipping = { learningRate: 0.5 };
  const adaptive = await simulated(t, {
    policy,
    privacy: {
      mechanism: "central-discrete-gaussian",
      clipNorm: 0.01,
      noiseMultiplier: 0.2,
      bits: 24,
      adaptiveClipping,
    },
  });
  const clips = adaptive.rounds.map(({ clipNorm }) => clipNorm);
  t.ok((clips.at(-1) ?? 0) > 2 * (clips[0] ?? 1), `the clip follows the updates: ${clips}`);
});

t.test("with FedBuff slow devices hand in late, and their rounds wait for nobody", async (t) => {
  const slow = virtualSection({ stragglers: { fraction: 0.3, slowdown: 20 }, trainingTime: "1s" });
  const plan = { ...slow, rounds: 6, cohort: { target: 30, minimum: 20, overSelection: 1.5 } };
  const buffered = { ...plan, strategy: { id: "fedbuff", settings: { maximumStaleness: 5 } } };
  const [one, two] = [await simulated(t, buffered, 1), await simulated(t, buffered, 2)];
  t.equal(one.modelSha256, two.modelSha256);
  t.ok(one.rounds.every(({ submitted, selected }) => submitted === 30 && selected > 30));
  const waited = await simulated(t, { ...plan, strategy: { id: "fedavg" } });
  const [fast, slower] = [one.rounds.at(-1)?.endMs ?? 0, waited.rounds.at(-1)?.endMs ?? 0];
  t.ok(3 * fast < slower, `${fast} ms of virtual time against ${slower}`);
  const without = { ...plan, strategy: { id: "fedbuff", settings: { maximumStaleness: 0 } } };
  t.not((await simulated(t, without)).modelSha256, one.modelSha256, "late updates are in the sum");
  t.ok((one.accuracy ?? 0) > 0.8, `accuracy ${one.accuracy}`);
});
