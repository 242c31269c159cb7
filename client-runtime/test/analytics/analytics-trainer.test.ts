import { queryText, type Row } from "@fedloop/privacy/analytics";
import t from "tap";
import { type AnalyticsOptions, analyticsTrainer, answeringTrainer } from "../../src/analytics/index.js";
import type { TrainingTask } from "../../src/trainers/trainer.js";

const count = queryText({ kind: "count", table: "events", minimumDevices: 1 });
const experiment = queryText({
  kind: "experiment",
  table: "events",
  arm: "arm",
  arms: ["a", "b"],
  value: { of: "rows" },
  lower: 0,
  upper: 2,
  minimumDevices: 1,
});

/** Asks a trainer, with a state that lasts from task to task. */
function asking(options: AnalyticsOptions) {
  const kept = new Map<string, Uint8Array>();
  const trainer = analyticsTrainer(options);
  return async (settings: TrainingTask["settings"], updateLength: number, signal = new AbortController().signal) => [
    ...(await trainer.evaluate({
      parameters: new Float32Array(1),
      manifest: [],
      settings,
      updateLength,
      state: {
        get: async (key) => kept.get(key),
        put: async (key, bytes) => {
          kept.set(key, bytes);
        },
      },
      signal,
      onProgress: () => undefined,
    })),
  ];
}

t.test("a query is answered from the app's rows as they are when it is asked", async (t) => {
  const rows: Row[] = [];
  const ask = asking({ tables: { events: () => rows } });
  t.same(await ask({ query: count }, 1), [0]);
  rows.push({ event: "open" });
  t.same(await ask({ query: count }, 1), [1]);
});

t.test("an experiment counts a participant in one turn only, and a turn that is tried again counts", async (t) => {
  const rows: Row[] = [];
  const ask = asking({ tables: { events: async () => rows } });
  const turn = (number: number): Promise<number[]> => ask({ name: "test", turn: number, query: experiment }, 6);
  t.same(await turn(1), [0, 0, 0, 0, 0, 0], "without rows it is not counted yet");
  rows.push({ arm: "b" });
  const counted = [0, 0, 0, 1, 0, 0];
  t.same(await turn(2), counted);
  t.same(await turn(2), counted, "tried again");
  t.same(await turn(3), [0, 0, 0, 0, 0, 0]);
  t.same(await ask({ name: "other", turn: 3, query: experiment }, 6), counted, "another experiment");
});

t.test("an experiment per thing tried counts a participant once for each, by its rows about the newest", async (t) => {
  const rows: Row[] = [];
  const ask = asking({ tables: { events: async () => rows } });
  const query = JSON.stringify({ ...JSON.parse(experiment), per: "trial" });
  const turn = (number: number): Promise<number[]> => ask({ name: "test", turn: number, query }, 6);
  rows.push({ arm: "b" });
  const nothing = [0, 0, 0, 0, 0, 0];
  t.same(await turn(1), nothing, "a row that says of nothing what is tried");
  rows.push({ arm: "b", trial: "round 2" });
  t.same(await turn(2), [0, 0, 0, 1, 0, 0]);
  t.same(await turn(3), nothing);
  rows.push({ arm: "b", trial: "round 3" });
  t.same(await turn(3), [0, 0, 0, 1, 0, 0], "one row of it, not two");
  t.same(await turn(3), [0, 0, 0, 1, 0, 0], "tried again");
  t.same(await turn(4), nothing);
});

t.test("what the app did not give or does not accept is not answered", async (t) => {
  const ask = asking({ tables: { events: [{}] }, accepts: (query) => query.kind !== "experiment" });
  const refused: readonly [TrainingTask["settings"], number, string][] = [
    [{}, 1, "GUARD_UNSUPPORTED"],
    [{ query: 7 }, 1, "GUARD_UNSUPPORTED"],
    [{ query: '{"kind":"rows","table":"events"}' }, 1, "GUARD_UNSUPPORTED"],
    [{ query: count.replace("events", "toString") }, 1, "GUARD_UNSUPPORTED"],
    [{ query: experiment }, 6, "GUARD_UNSUPPORTED"],
    [{ query: count }, 2, "WRONG_LENGTH"],
  ];
  for (const [settings, length, code] of refused) await t.rejects(ask(settings, length), { code });
  await t.rejects(ask({ query: count }, 1, AbortSignal.abort()), { code: "ABORTED" });
});

t.test("a trainer that answers beside trains as before, and answers what only queries are asked with", async (t) => {
  const own = {
    id: "own",
    train: async () => ({ update: Float32Array.of(7) }),
    evaluate: async () => Float32Array.of(8),
  };
  const trainer = answeringTrainer(own, { tables: { events: [{}] } });
  t.same([trainer.id, trainer.answersQueries], ["own", true]);
  const state = { get: async () => undefined, put: async () => undefined };
  const signal = new AbortController().signal;
  const task = {
    parameters: new Float32Array(1),
    manifest: [],
    updateLength: 1,
    state,
    signal,
    onProgress: () => undefined,
  };
  t.same([...(await trainer.train({ ...task, settings: {} })).update], [7]);
  t.same([...(await trainer.evaluate({ ...task, settings: { query: count } }))], [8], "a setting of the trainer's own");
  const asked = { name: "n", turn: 1, step: 1, query: count };
  t.same([...(await trainer.evaluate({ ...task, settings: asked }))], [1]);
});
