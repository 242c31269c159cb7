import { generateNodeSigner } from "@fedloop/consent/node";
import t from "tap";
import { memoryStore } from "../../src/index.js";
import { modelFile } from "../coordinator/models.js";
import { start } from "../coordinator/participants.js";

const RELEASED = Float32Array.of(1, 2, 3, 4);

t.test("before the first round has released a model there is none", async (t) => {
  const { join } = await start(t);
  t.equal(await (await join()).model(), undefined);
});

t.test("the app gets the model that the log names", async (t) => {
  const { coordinator, join } = await start(t);
  const participant = await join();
  await coordinator.release(modelFile(RELEASED));
  const model = await participant.model();
  t.same([...(model?.parameters ?? [])], [...RELEASED]);
  t.same(model?.manifest, [{ name: "parameters", shape: [4] }]);
  t.equal(model?.round, 1);
});

t.test("a model is fetched once, and used without the coordinator", async (t) => {
  const { coordinator, join } = await start(t);
  const store = memoryStore();
  const participant = await join({ store });
  await coordinator.release(modelFile(RELEASED));
  await participant.model();
  await participant.model();
  t.equal(coordinator.calls.filter((name) => name === "GetArtifact").length, 1);
  await coordinator.release(modelFile(Float32Array.of(5, 6, 7, 8)));
  t.same([...((await participant.model())?.parameters ?? [])], [5, 6, 7, 8]);
  t.equal((await store.keys("lecturers/model/")).length, 1, "only the newest one is kept");
  await coordinator.crash();
  t.same([...((await participant.model())?.parameters ?? [])], [5, 6, 7, 8]);
});

t.test("a kept model that was damaged is fetched again", async (t) => {
  const { coordinator, join } = await start(t);
  const store = memoryStore();
  const participant = await join({ store });
  await coordinator.release(modelFile(RELEASED));
  await participant.model();
  const [key = ""] = await store.keys("lecturers/model/");
  const bytes = (await store.get(key)) ?? new Uint8Array(0);
  bytes[bytes.length - 1] = 0xff;
  await store.put(key, bytes);
  t.same([...((await participant.model())?.parameters ?? [])], [...RELEASED]);
});

t.test("a model that no close of this population names is refused", async (t) => {
  const { coordinator, join } = await start(t);
  const participant = await join();
  await coordinator.release(modelFile(RELEASED), { population: "others" });
  await t.rejects(participant.model(), { code: "BAD_RECEIPT" });
  await coordinator.release(modelFile(RELEASED), { outcome: "abandoned", reason: "QUORUM" });
  await t.rejects(participant.model(), { code: "BAD_RECEIPT" });
  await coordinator.release(modelFile(RELEASED), {}, generateNodeSigner());
  await t.rejects(participant.model(), { code: "BAD_RECEIPT" }, "not signed by the operator");
  await coordinator.release(modelFile(RELEASED));
  coordinator.lies.released = ({ close, ...answer }) =>
    close === undefined ? answer : { ...answer, close: { ...close, index: close.index - 1n } };
  await t.rejects(participant.model(), { code: "BAD_RECEIPT" }, "not proven to be in the log");
});

t.test("other bytes than the log names, or more than the app allows, are refused", async (t) => {
  const { coordinator, join } = await start(t);
  const participant = await join({ limits: { modelBytes: 1_000 } });
  await coordinator.release(modelFile(RELEASED));
  coordinator.lies.artifact = (bytes) => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
  await t.rejects(participant.model(), { code: "GUARD_MODEL" });
  coordinator.lies.released = (answer) => ({ ...answer, totalBytes: 1_001n });
  await t.rejects(participant.model(), { code: "GUARD_TOO_LARGE" });
});
