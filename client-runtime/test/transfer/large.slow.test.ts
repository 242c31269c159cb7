// A model of 256 MiB, over a connection that is cut on the way.
import { CHUNK_BYTES } from "@fedloop/proto";
import t from "tap";
import { start, take, testTrainer } from "../coordinator/participants.js";
import { Told } from "../coordinator/told.js";

const FLOATS = 64 << 20;

t.test("a model of 256 MiB arrives whole although the connection is cut three times", async (t) => {
  const parameters = new Float32Array(FLOATS);
  for (let i = 0; i < FLOATS; i += 1_000) parameters[i] = i;
  const { coordinator, join } = await start(t, { parameters, rounds: [{}] });
  const cuts = new Set([17, 99, 255].map((chunk) => chunk * CHUNK_BYTES));
  coordinator.lies.beforeChunk = (offset) => {
    if (cuts.delete(offset)) throw new Told("cut", { breaksConnection: true });
  };
  let wrong = -1;
  const trainer = testTrainer({
    train: async (task) => {
      wrong = 0;
      for (let i = 0; i < FLOATS; i += 500) if (task.parameters[i] !== (i % 1_000 === 0 ? i : 0)) wrong += 1;
      return { update: new Float32Array(task.updateLength) };
    },
  });
  const participant = await join({ trainer, limits: { modelBytes: 300 << 20 } });
  const events = await take(participant.run(), ({ type }) => type === "released" || type === "abandoned");
  t.equal(events.at(-1)?.type, "released");
  t.equal(wrong, 0);
  t.equal(cuts.size, 0);
  t.equal(coordinator.calls.filter((call) => call === "GetArtifact").length, 4);
});
