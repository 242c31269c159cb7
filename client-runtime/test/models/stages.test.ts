// A device uses the model that the log gives it, whatever the coordinator hands out.
import { isInCanary, sha256Text } from "@fedloop/consent";
import { generateNodeSigner } from "@fedloop/consent/node";
import t, { type Test } from "tap";
import { memoryStore, type Participant } from "../../src/index.js";
import { modelFile } from "../coordinator/models.js";
import { start, take, testTrainer } from "../coordinator/participants.js";
import { POPULATION } from "../coordinator/plans.js";
import type { ReleasedModels } from "../coordinator/released-models.js";
import type { TestCoordinator } from "../coordinator/test-coordinator.js";

const FILES = [1, 2, 3].map((value) => modelFile(Float32Array.of(value, value, value, value)));
const otherHash = sha256Text(new Uint8Array(7));

interface Shown {
  readonly coordinator: TestCoordinator;
  readonly models: ReleasedModels;
  readonly participant: Participant;
}

/** Three rounds have released candidates, and a device has joined. */
async function candidates(t: Test): Promise<Shown> {
  const { coordinator, join } = await start(t);
  const participant = await join();
  for (const file of FILES) await coordinator.release(file, {}, undefined, "candidate");
  return { coordinator, models: coordinator.released, participant };
}

/** A share that the device is in, or is not: all in 10 000, or as many as are before its own place. */
function shareWithout({ participant }: Shown, round: number): number {
  const model = sha256Text(FILES[round - 1] ?? new Uint8Array(0));
  const shares = [8_192, 4_096, 2_048, 1_024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1];
  const share = shares.find((it) => !isInCanary(POPULATION, { model, share: it }, participant.subject));
  if (share === undefined) throw new Error("a device in one of 10 000: try again");
  return share;
}

const given: { readonly [name: string]: (shown: Shown) => Promise<number | undefined> } = {
  "a model that is live": async ({ models }) => {
    await models.stage(1, "live");
    models.give = 1;
    return 1;
  },
  "a canary, to a device of its share": async ({ models }) => {
    await models.stage(1, "live");
    await models.stage(2, "canary", { share: 10_000 });
    models.give = 2;
    return 2;
  },
  "the live model, to a device that is not of the canary's share": async (shown) => {
    const { models } = shown;
    await models.stage(1, "live");
    await models.stage(2, "canary", { share: shareWithout(shown, 2) });
    models.give = 1;
    return 1;
  },
  "the live model again, once the canary was rolled back": async ({ models, participant }) => {
    await models.stage(1, "live");
    await models.stage(2, "canary", { share: 10_000 });
    models.give = 2;
    await participant.model();
    await models.stage(2, "rolled-back");
    models.give = 1;
    return 1;
  },
  "none, while the log gives none": async ({ models }) => {
    models.give = undefined;
    return undefined;
  },
  "none, once the only one was rolled back": async ({ models, participant }) => {
    await models.stage(1, "live");
    models.give = 1;
    await participant.model();
    await models.stage(1, "rolled-back");
    models.give = undefined;
    return undefined;
  },
};

for (const [name, prepare] of Object.entries(given)) {
  t.test(`a device is given ${name}`, async (t) => {
    const shown = await candidates(t);
    const wanted = await prepare(shown);
    t.equal((await shown.participant.model())?.round, wanted);
  });
}

t.test("an app is told what is tried out, and which of the two its device has", async (t) => {
  const shown = await candidates(t);
  const { models, participant } = shown;
  const trial = async () => (await participant.model())?.trial;
  await models.stage(1, "live");
  models.give = 1;
  t.equal(await trial(), undefined, "nothing is tried");
  await models.stage(2, "canary", { share: shareWithout(shown, 2) });
  t.same(await trial(), { round: 2, arm: "live" });
  await models.stage(2, "canary", { share: 10_000 });
  models.give = 2;
  t.same(await trial(), { round: 2, arm: "canary" });
  await models.stage(2, "live");
  t.equal(await trial(), undefined, "it has become everybody's");
});

const stage = "GUARD_STAGE";
const receipt = "BAD_RECEIPT";

const hostile: { readonly [name: string]: readonly [code: string, (shown: Shown) => Promise<unknown>] } = {
  "a candidate, of whose stage the log says nothing": [
    stage,
    async ({ models }) => {
      models.give = 3;
    },
  ],
  "a candidate beside a live model": [
    stage,
    async ({ models }) => {
      await models.stage(1, "live");
      models.give = 2;
    },
  ],
  "a canary whose share it is not of": [
    stage,
    async (shown) => {
      const { models } = shown;
      await models.stage(1, "live");
      await models.stage(2, "canary", { share: shareWithout(shown, 2) });
      models.give = 2;
    },
  ],
  "the live model where it is of the canary's share": [
    stage,
    async ({ models }) => {
      await models.stage(1, "live");
      await models.stage(2, "canary", { share: 10_000 });
      models.give = 1;
    },
  ],
  "the model before the live one": [
    stage,
    async ({ models }) => {
      await models.stage(1, "live");
      await models.stage(2, "live");
      models.give = 1;
    },
  ],
  "a model that was rolled back": [
    stage,
    async ({ models }) => {
      await models.stage(1, "live");
      await models.stage(2, "live");
      await models.stage(2, "rolled-back");
      await models.stage(1, "live");
      models.give = 2;
    },
  ],
  "a model that was rolled back, with the entry by which it was live": [
    stage,
    async ({ models, participant }) => {
      await models.stage(1, "live");
      const then = await models.stage(2, "live");
      models.give = 2;
      await participant.model();
      await models.stage(2, "rolled-back");
      await models.stage(1, "live");
      models.give = 1;
      await participant.model();
      models.give = 2;
      models.stageIndex = then;
    },
  ],
  "a model that was rolled back, with no entry about stages": [
    stage,
    async ({ models, participant }) => {
      await models.stage(1, "live");
      models.give = 1;
      await participant.model();
      models.stageIndex = undefined;
    },
  ],
  "none where the log gives it one": [
    stage,
    async ({ models }) => {
      await models.stage(1, "live");
      models.give = undefined;
    },
  ],
  "another round's model than the one of that hash": [
    stage,
    async ({ models }) => {
      await models.stage(1, "live", { standing: { live: { round: 2, model: otherHash }, canary: null } });
      models.give = 2;
    },
  ],
  "a model by another's population's stages": [
    receipt,
    async ({ models }) => {
      await models.stage(1, "live", { population: "others" });
      models.give = 1;
    },
  ],
  "a model by an entry that the operator did not sign": [
    receipt,
    async ({ models }) => {
      await models.stage(1, "live", {}, generateNodeSigner());
      models.give = 1;
    },
  ],
  "a model by an entry of another kind": [
    receipt,
    async ({ models }) => {
      const index = await models.stage(1, "live");
      models.give = 1;
      models.stageIndex = index - 1;
    },
  ],
  "a model by an entry that is not where it is said to be": [
    receipt,
    async ({ coordinator, models }) => {
      await models.stage(1, "live");
      models.give = 1;
      coordinator.lies.released = ({ stage, ...answer }) =>
        stage === undefined ? answer : { ...answer, stage: { ...stage, index: stage.index - 1n } };
    },
  ],
};

for (const [name, [code, prepare]] of Object.entries(hostile)) {
  t.test(`a device refuses ${name}`, async (t) => {
    const shown = await candidates(t);
    await prepare(shown);
    await t.rejects(shown.participant.model(), { code });
  });
}

t.test("a refusal is an event of the run under way", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const participant: Participant = await join({
    trainer: testTrainer({
      train: async ({ updateLength }) => {
        await t.rejects(participant.model(), { code: stage });
        return { update: new Float32Array(updateLength) };
      },
    }),
  });
  const [file = new Uint8Array(0)] = FILES;
  await coordinator.release(file, {}, undefined, "candidate");
  const events = await take(participant.run(), ({ type }) => type === "released");
  t.match(
    events.filter(({ type }) => type === "model-refused"),
    [{ type: "model-refused", code: stage, message: /the log/ }],
  );
});

t.test("what was taken back is not used without the coordinator either", async (t) => {
  const { coordinator, join } = await start(t);
  const store = memoryStore();
  const participant = await join({ store });
  const [one = new Uint8Array(0), two = new Uint8Array(0)] = FILES;
  await coordinator.release(one);
  await coordinator.release(two);
  t.equal((await participant.model())?.round, 2);
  await coordinator.released.stage(2, "rolled-back");
  await coordinator.released.stage(1, "live");
  coordinator.released.give = 1;
  // The device learns of it, but cannot fetch the one before.
  coordinator.lies.artifact = (bytes) => bytes.map((byte) => byte ^ 1);
  await t.rejects(participant.model(), { code: "GUARD_MODEL" });
  await coordinator.crash();
  await t.rejects(participant.model(), { code: "UNAVAILABLE" });
});

t.test("what a device was shown last outlives its process", async (t) => {
  const { coordinator, join } = await start(t);
  const kept = { store: memoryStore(), signer: generateNodeSigner() };
  const before = await join(kept);
  const [one = new Uint8Array(0), two = new Uint8Array(0)] = FILES;
  await coordinator.release(one);
  const then = coordinator.released.stageIndex;
  await coordinator.release(two);
  await before.model();
  const again = await join(kept);
  coordinator.released.give = 1;
  coordinator.released.stageIndex = then;
  await t.rejects(again.model(), { code: stage, message: /or a later one/ });
});
