import { CHUNK_BYTES } from "@fedloop/proto";
import t from "tap";
import { start, take, testTrainer } from "../coordinator/participants.js";
import { Told } from "../coordinator/told.js";

const MODEL_FLOATS = 1_500_000;
const UPDATE_FLOATS = 1_100_000;
const UPDATE_CHUNKS = Math.ceil((4 * UPDATE_FLOATS) / CHUNK_BYTES);

const parameters = Float32Array.from({ length: MODEL_FLOATS }, (_, i) => i % 251);
const update = Float32Array.from({ length: UPDATE_FLOATS }, (_, i) => (i % 127) / 1e6);
const big = {
  parameters,
  limits: { epsilon: "unbounded", delta: "0.00001" },
  rounds: [{ mechanism: "none", encoding: "float32", length: UPDATE_FLOATS, clipNorm: 1_000 }],
} as const;
const floors = { requireSecureAggregation: false, allowNoNoise: true } as const;

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** A trainer that says whether the model came whole. */
function checkingTrainer() {
  const seen = { isWhole: false };
  const trainer = testTrainer({
    train: async (task) => {
      seen.isWhole = Buffer.from(bytesOf(task.parameters)).equals(bytesOf(parameters));
      return { update: update.slice() };
    },
  });
  return { seen, trainer };
}

t.test("a model and an update of several chunks arrive whole", async (t) => {
  const { coordinator, join } = await start(t, big);
  const { seen, trainer } = checkingTrainer();
  const participant = await join({ trainer, floors });
  const events = await take(participant.run(), ({ type }) => type === "released");
  t.equal(events.at(-1)?.type, "released");
  t.ok(seen.isWhole);
  t.ok(Buffer.from(coordinator.updates.get(1)?.get(participant.subject) ?? []).equals(bytesOf(update)));
  const calls = coordinator.calls.filter((call) => call === "UploadChunk").length;
  t.equal(calls, 1 + UPDATE_CHUNKS, "it asked for a place, and each chunk went once");
});

t.test("a download that is cut before each chunk goes on where it stopped", async (t) => {
  const { coordinator, join } = await start(t, big);
  const cut = new Set<number>();
  coordinator.lies.beforeChunk = (offset) => {
    if (cut.has(offset)) return;
    cut.add(offset);
    throw new Told("cut", { breaksConnection: true });
  };
  const { seen, trainer } = checkingTrainer();
  const participant = await join({ trainer, floors });
  const events = await take(participant.run(), ({ type }) => type === "released" || type === "abandoned");
  t.equal(events.at(-1)?.type, "released");
  t.ok(seen.isWhole);
  t.equal(cut.size, Math.ceil(coordinator.model.length / CHUNK_BYTES));
});

t.test("a download that never gets further is given up, and the round with it", async (t) => {
  const { coordinator, join } = await start(t, big);
  coordinator.lies.beforeChunk = (offset) => {
    if (offset >= CHUNK_BYTES) throw new Told("cut", { breaksConnection: true });
  };
  const participant = await join({ floors });
  const events = await take(participant.run(), ({ type }) => type === "abandoned");
  t.match(events.at(-1), { type: "abandoned", reason: "UNAVAILABLE" });
  t.equal(coordinator.calls.filter((call) => call === "GetArtifact").length, 4, "as often as the retry policy says");
});

/** The bytes that a request for a place, or a chunk, carries. */
function dataOf(path: string, request: object): Uint8Array | undefined {
  if (!path.endsWith("UploadChunk") || !("data" in request)) return undefined;
  return request.data instanceof Uint8Array ? request.data : undefined;
}

t.test("an upload of which every chunk is cut once arrives whole", async (t) => {
  const { coordinator, join } = await start(t, big);
  const cut = new Set<bigint>();
  coordinator.lies.beforeCall = (path, request) => {
    if ((dataOf(path, request)?.length ?? 0) === 0 || !("offset" in request) || typeof request.offset !== "bigint")
      return;
    if (cut.has(request.offset)) return;
    cut.add(request.offset);
    throw new Told("cut", { breaksConnection: true });
  };
  const { trainer } = checkingTrainer();
  const participant = await join({ trainer, floors });
  await take(participant.run(), ({ type }) => type === "released");
  t.ok(Buffer.from(coordinator.updates.get(1)?.get(participant.subject) ?? []).equals(bytesOf(update)));
  t.equal(cut.size, UPDATE_CHUNKS);
});

t.test("an upload waits as long as the coordinator is busy, however often, and sends no bytes meanwhile", async (t) => {
  const { coordinator, clock, join } = await start(t, big);
  let busy = 20;
  let sentBytes = 0;
  coordinator.lies.beforeCall = (path, request) => {
    sentBytes += dataOf(path, request)?.length ?? 0;
    if (path.endsWith("UploadChunk") && busy-- > 0) throw new Told("BUSY", { retryAfterMs: 50 });
  };
  const { trainer } = checkingTrainer();
  const participant = await join({ trainer, floors });
  await take(participant.run(), ({ type }) => type === "accepted");
  t.equal(coordinator.updates.get(1)?.size, 1);
  t.equal(clock.waits.filter((ms) => ms >= 50 && ms <= 75).length, 20, "it comes back when asked to, with jitter");
  t.equal(sentBytes, 4 * UPDATE_FLOATS);
});

t.test("chunks that the coordinator lost before the submission are sent again", async (t) => {
  const { coordinator, join } = await start(t, big);
  let isLost = false;
  coordinator.lies.beforeCall = (path) => {
    if (!path.endsWith("SubmitMasked") || isLost) return;
    isLost = true;
    coordinator.dropChunk(2 * CHUNK_BYTES);
  };
  const { trainer } = checkingTrainer();
  const participant = await join({ trainer, floors });
  await take(participant.run(), ({ type }) => type === "released");
  t.ok(Buffer.from(coordinator.updates.get(1)?.get(participant.subject) ?? []).equals(bytesOf(update)));
});

t.test("a submission whose answer is lost is repeated and counted once", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}], target: 1 });
  let cuts = 2;
  coordinator.lies.beforeCall = (path) => {
    if (path.endsWith("SubmitMasked") && cuts-- > 0) throw new Told("cut", { breaksConnection: true });
  };
  const participant = await join();
  const events = await take(participant.run());
  t.equal(events.filter(({ type }) => type === "accepted").length, 1);
  t.equal((await participant.budget()).rounds, 1);
});
