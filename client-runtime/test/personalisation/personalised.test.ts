// The rules of the papers, by hand, on models small enough to follow.
import t, { type Test } from "tap";
import {
  type PersonalisationMethod,
  personalisedTrainer,
  qFedAvgTrainer,
  scaffoldTrainer,
} from "../../src/personalisation/index.js";
import type { LocalState, TrainingTask } from "../../src/trainers/trainer.js";

/** y = w·x, or y = x·a·b: dense layers of one unit without bias. */
function chain(length: number): object {
  const layers = Array.from({ length }, (_, i) => ({
    class_name: "Dense",
    config: { name: `dense${i}`, units: 1, use_bias: false, ...(i === 0 ? { batch_input_shape: [null, 1] } : {}) },
  }));
  return { class_name: "Sequential", config: { name: "chain", layers } };
}

/** One example: x = 1. The loss is (prediction − y)². */
function exampleOf(y: number) {
  return { features: Float32Array.of(1), featureShape: [1], labels: Float32Array.of(y), labelShape: [1] };
}

function memory(): LocalState {
  const kept = new Map<string, Uint8Array>();
  return { get: async (key) => kept.get(key), put: async (key, bytes) => void kept.set(key, bytes) };
}

function task(parameters: readonly number[], settings: object, state: LocalState): TrainingTask {
  return {
    parameters: Float32Array.from(parameters),
    manifest: parameters.map((_, i) => ({ name: `w${i}`, shape: [1, 1] })),
    settings: { learningRate: "0.1", batchSize: 1, ...settings },
    updateLength: parameters.length,
    state,
    signal: new AbortController().signal,
    onProgress: () => {},
  };
}

function close(t: Test, came: Iterable<number>, due: readonly number[], message: string): void {
  const values = [...came];
  t.ok(
    values.length === due.length &&
      values.every((value, i) => Math.abs(value - (due[i] ?? 0)) < 1e-5 * Math.max(Math.abs(due[i] ?? 0), 1)),
    `${message}: ${values}`,
  );
}

/** y = w·x with y = 3: the gradient is 2·(w − 3). */
function single(method: PersonalisationMethod) {
  return personalisedTrainer({ id: "m", method, topology: chain(1), loss: "meanSquaredError", examples: exampleOf(3) });
}

/** y = a·b·x with y = 2: the gradients are 2·(ab − 2)·b and 2·(ab − 2)·a. The second tensor is the device's own. */
function double(method: PersonalisationMethod) {
  const options = { topology: chain(2), loss: "meanSquaredError", examples: exampleOf(2) } as const;
  return personalisedTrainer({ id: "m", method, personal: [1], ...options });
}

t.test("FedProx pulls every step to the round's model", async (t) => {
  const { update } = await single("fedprox").train(task([0], { epochs: 2, proximal: "1" }, memory()));
  // 0 → 0.6, where the loss pulls with −4.8 and the term with +0.6.
  close(t, update, [1.02], "0.6 + 0.1·4.2");
  const free = await single("fedprox").train(task([0], { epochs: 2, proximal: "0" }, memory()));
  close(t, free.update, [1.08], "without it, federated averaging");
});

t.test("SCAFFOLD corrects each step by c − cᵢ and moves cᵢ by option II", async (t) => {
  const state = memory();
  const trainer = scaffoldTrainer({ id: "m", topology: chain(1), loss: "meanSquaredError", examples: exampleOf(3) });
  // c = 1, cᵢ = 0: 0 → 0.5 → 0.9; cᵢ⁺ = 0 − 1 + (0 − 0.9)/(2·0.1) = −5.5.
  close(t, (await trainer.train(task([0, 1], { epochs: 2 }, state))).update, [0.9, -5.5], "first round");
  // c − cᵢ = 6.5: 0 → −0.05 → −0.09; cᵢ⁺ − cᵢ = −1 + 0.09/0.2.
  close(t, (await trainer.train(task([0, 1], { epochs: 2 }, state))).update, [-0.09, -0.55], "second round");
  const [loss] = await trainer.evaluate({ ...task([1, 5], {}, state), updateLength: 3 });
  t.equal(loss, 4, "the evaluated model is the first half");
  await t.rejects(trainer.train(task([0, 1, 2], {}, state)), { code: "WRONG_LENGTH" });
});

t.test(
  "SCAFFOLD's cᵢ moves by what the server counts: not with a lost update, and as far as the clip lets it",
  async (t) => {
    const trainer = scaffoldTrainer({ id: "m", topology: chain(1), loss: "meanSquaredError", examples: exampleOf(3) });
    const counted = new Set<number>();
    const inRound = (
      round: number,
      parameters: readonly number[],
      state: LocalState,
      clipNorm = 100,
    ): TrainingTask => ({
      ...task(parameters, { epochs: 2 }, state),
      fate: { round, clipNorm, wasCounted: async (earlier) => counted.has(earlier) },
    });
    const state = memory();
    const first = [0.9, -5.5];
    close(t, (await trainer.train(inRound(1, [0, 1], state))).update, first, "cᵢ = 0");
    close(t, (await trainer.train(inRound(1, [0, 1], state))).update, first, "the same round again, after a crash");
    close(t, (await trainer.train(inRound(2, [0, 1], state))).update, first, "the update of round 1 was lost");
    counted.add(2);
    close(
      t,
      (await trainer.train(inRound(3, [0, 1], state))).update,
      [-0.09, -0.55],
      "that of round 2 counted: cᵢ = −5.5",
    );
    close(t, (await trainer.train(inRound(4, [0, 1], state))).update, [-0.09, -0.55], "that of round 3 did not");
    counted.add(4);
    // cᵢ = −5.5 − 0.55: c − cᵢ = 7.05, 0 → −0.105 → −0.189; Δcᵢ = −1 + 0.189/0.2.
    close(t, (await trainer.train(inRound(5, [0, 1], state))).update, [-0.189, -0.055], "that of round 4 did");

    const clipped = memory();
    // A norm of √(0.9² + 5.5²) = 5.573, twice the clip: half of Δcᵢ is added to c, and so to cᵢ.
    await trainer.train(inRound(2, [0, 1], clipped, Math.hypot(0.9, 5.5) / 2));
    // cᵢ = −2.75: c − cᵢ = 3.75, 0 → 0.225 → 0.405; Δcᵢ = −1 − 0.405/0.2.
    close(t, (await trainer.train(inRound(3, [0, 1], clipped))).update, [0.405, -3.025], "half way");
  },
);

t.test("FedPer trains its own layers with the shared ones, and keeps them", async (t) => {
  const state = memory();
  const trainer = double("fedper");
  close(t, (await trainer.train(task([1, 1], {}, state))).update, [0.2, 0], "both moved by 0.2, one is sent");
  close(t, await trainer.personalised(task([1, 1], {}, state)), [1, 1.2], "the round's a, its own b");
  // From a = 1, b = 1.2: a by −0.1·2·(1.2 − 2)·1.2, b by −0.1·2·(1.2 − 2)·1.
  close(t, (await trainer.train(task([1, 1], {}, state))).update, [0.192, 0], "from its own b");
  close(t, await trainer.personalised(task([1, 7], {}, state)), [1, 1.36], "whatever b the round has");
});

t.test("FedRep trains its own layers first, then the shared ones", async (t) => {
  const state = memory();
  const trainer = double("fedrep");
  // b: 1 → 1.2 with a = 1 held; then a: 1 → 1.192 with b = 1.2 held.
  close(t, (await trainer.train(task([1, 1], {}, state))).update, [0.192, 0], "update");
  close(t, await trainer.personalised(task([1, 1], {}, state)), [1, 1.2], "own");
});

t.test("Ditto trains a model of its own, pulled to the shared one, and takes part as usual", async (t) => {
  const state = memory();
  const trainer = single("ditto");
  const settings = { epochs: 2, proximal: "0.5" };
  close(
    t,
    (await trainer.train(task([0], settings, state))).update,
    [1.08],
    "the shared model's update is federated averaging's",
  );
  close(t, await trainer.personalised(task([0], settings, state)), [1.05], "0.6, then 0.6 + 0.1·(4.8 − 0.3)");
  await trainer.train(task([1], settings, state));
  close(t, await trainer.personalised(task([1], settings, state)), [1.728125], "it goes on from its own, pulled to 1");
});

t.test("fine-tuning sends federated averaging's update and predicts with the round's model, tuned", async (t) => {
  const trainer = single("finetune");
  const settings = { epochs: 1, tuneEpochs: 2 };
  close(t, (await trainer.train(task([0], settings, memory()))).update, [0.6], "update");
  close(t, await trainer.personalised(task([0], settings, memory())), [1.08], "two epochs from the round's model");
  const [loss] = await trainer.evaluate({ ...task([0], settings, memory()), updateLength: 3 });
  t.ok(Math.abs((loss ?? 0) - (3 - 1.08) ** 2) < 1e-4, "evaluated tuned");
});

t.test("online updates change the device's own model until it trains again", async (t) => {
  const state = memory();
  const trainer = single("fedprox");
  const online = task([0], { onlineRate: "0.25" }, state);
  close(t, await trainer.learnOnline(online, exampleOf(1)), [0.5], "half way to 1");
  close(t, await trainer.learnOnline(online, exampleOf(1)), [0.75], "from there");
  close(t, await trainer.personalised(online), [0.75], "and that is what predicts");
  await trainer.train(task([0], {}, state));
  close(t, await trainer.personalised(online), [0], "a round takes its place");

  const layered = double("fedper");
  close(
    t,
    await layered.learnOnline(task([1, 1], { onlineRate: "0.1" }, state), exampleOf(2)),
    [1, 1.2],
    "own layers alone",
  );
});

t.test("what does not fit is refused", async (t) => {
  const options = { id: "m", topology: chain(2), loss: "meanSquaredError", examples: exampleOf(1) } as const;
  t.throws(() => personalisedTrainer({ ...options, method: "fedper" }), { code: "BAD_OPTION" });
  t.throws(() => personalisedTrainer({ ...options, method: "ditto", personal: [1] }), { code: "BAD_OPTION" });
  const state = memory();
  await state.put("personalisation/m", new Uint8Array(12));
  await t.rejects(double("fedper").train(task([1, 1], {}, state)), { code: "STORE_CORRUPT" });
  await t.rejects(single("ditto").train(task([0], { learningRate: "1e38", epochs: 3 }, memory())), {
    code: "NON_FINITE",
  });
});

t.test("q-FedAvg sends F^q·L·Δw and h = q·F^(q−1)·‖L·Δw‖² + L·F^q, F at the round's model", async (t) => {
  const options = { id: "m", topology: chain(1), loss: "meanSquaredError", examples: exampleOf(3) } as const;
  const sent = async (settings: object) => {
    const one = task([0], settings, memory());
    return (await qFedAvgTrainer(options).train({ ...one, updateLength: 2 })).update;
  };
  // F(0) = 9; a step of 0.1·6 to 0.6; L = 1/0.1 = 10.
  close(t, await sent({}), [9 * 10 * 0.6, 36 + 9 * 10], "q = 1: ‖L·Δw‖² = 36");
  close(t, await sent({ q: "2" }), [81 * 10 * 0.6, 2 * 9 * 36 + 81 * 10], "q = 2");
  close(t, await sent({ q: "0", curvatureScale: "0.1" }), [6, 0.1 * 10], "q = 0 is federated averaging: L·Δw and L");
  close(t, await sent({ lipschitz: "1" }), [9 * 0.6, 0.36 + 9], "L = 1");
  await t.rejects(qFedAvgTrainer(options).train(task([0], {}, memory())), { code: "WRONG_LENGTH" });
  const none = { ...exampleOf(3), features: new Float32Array(0), labels: new Float32Array(0) };
  const empty = qFedAvgTrainer({ ...options, examples: none }).train({ ...task([0], {}, memory()), updateLength: 2 });
  close(t, (await empty).update, [0, 0], "no examples, no weight");
});

t.test("SCAFFOLD scales the half of the update that is about variates as the plan says", async (t) => {
  const options = { id: "m", topology: chain(1), loss: "meanSquaredError", examples: exampleOf(3) } as const;
  const sent = async (settings: object) =>
    (await scaffoldTrainer(options).train(task([0, 0], settings, memory()))).update;
  // Δy = 0.6; Δc = −0 − 0.6/(1·0.1) = −6.
  close(t, await sent({}), [0.6, -6], "s = 1");
  close(t, await sent({ variateScale: "0.1" }), [0.6, -0.6], "s = 0.1");
});
