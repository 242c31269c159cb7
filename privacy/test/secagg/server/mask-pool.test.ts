import t from "tap";
import { nodeUnmaskCrypto } from "../../../src/secagg/crypto/device-crypto.node.js";
import { MaskPool } from "../../../src/secagg/server/mask-pool.node.js";
import { splitWork } from "../../../src/secagg/server/split-work.js";
import type { UnmaskCollection } from "../../../src/secagg/server/unmask.js";
import { inlineUnmaskEngine, type UnmaskTask, type UnmaskWork } from "../../../src/secagg/server/unmask-engine.js";
import { finished, plainSum, TestRound, testParameters } from "../test-round.js";

/** A round up to its last step: 12 members, of which 3 are gone after dealing shares. */
async function readyToFinish(seed: number): Promise<{ unmask: UnmaskCollection; expected: number[] }> {
  const round = await TestRound.start(12, { seed, parameters: testParameters({ length: 40_000 }) });
  const confirmations = await round.mask(await round.deal(), new Set([1, 5, 9]));
  const { survivors } = confirmations.message;
  const unmask = await round.confirm(confirmations);
  await round.reveal(unmask);
  return { unmask, expected: plainSum(survivors.map((member) => round.device(member))) };
}

/** The work of a round, as its last state hands it to an engine. */
async function workOf(seed: number): Promise<UnmaskWork> {
  const { unmask } = await readyToFinish(seed);
  const captured: UnmaskWork[] = [];
  const engine = inlineUnmaskEngine(nodeUnmaskCrypto());
  await unmask.finish({
    run: (work, signal) => {
      captured.push({ ...work, tasks: structuredClone([...work.tasks]) });
      return engine.run(work, signal);
    },
  });
  const [work] = captured;
  if (work === undefined) throw new Error("the engine was not asked");
  return work;
}

t.test("a pool gives the sums that the reference gives, several at a time", async (t) => {
  await using pool = new MaskPool({ workers: 2 });
  const rounds = await Promise.all([1, 2, 3].map(readyToFinish));
  const sums = await Promise.all(rounds.map(({ unmask }) => finished(unmask, pool)));
  sums.forEach(({ sum }, i) => {
    t.strictSame([...sum], rounds[i]?.expected);
  });
});

t.test("work is split so that every mask is in one batch", async (t) => {
  const work = await workOf(4);
  const names = (tasks: readonly UnmaskTask[]): string[] =>
    tasks.flatMap((task) =>
      task.type === "self-mask"
        ? [`${task.member}`]
        : task.survivors.map((survivor) => `${task.member}–${survivor.member}`),
    );
  for (const threads of [1, 2, 8]) {
    const batches = splitWork(work, threads);
    t.strictSame(
      batches.flatMap(({ tasks }) => names(tasks)),
      names(work.tasks),
    );
    t.ok(
      batches.every(({ tasks }) => names(tasks).length <= 16),
      `${batches.length} batches`,
    );
  }
  t.strictSame(splitWork({ ...work, tasks: [] }, 2), []);
});

t.test("an inconsistent dealer is named by a pool as by the reference, once", async (t) => {
  await using pool = new MaskPool({ workers: 2 });
  const work = await workOf(5);
  const tasks = work.tasks.map((task): UnmaskTask => {
    const wrong = new Uint8Array(32).fill(9);
    if (task.member === 5 && task.type === "pair-masks") return { ...task, maskPublicKey: wrong };
    return task.member === 2 && task.type === "self-mask" ? { ...task, commitment: wrong } : task;
  });
  t.strictSame((await pool.run({ ...work, tasks })).inconsistent, [2, 5]);
  const reference = inlineUnmaskEngine(nodeUnmaskCrypto());
  t.strictSame([...(await reference.run({ ...work, tasks })).inconsistent].sort(), [2, 5]);
  const good = await pool.run(work);
  t.strictSame(
    [...good.correction].slice(0, 50).map((word) => word % 2 ** 18),
    [...(await reference.run(work)).correction.slice(0, 50)],
  );
});

t.test("work that makes no sense fails by itself, and the pool goes on", async (t) => {
  await using pool = new MaskPool({ workers: 2 });
  const work = await workOf(6);
  const tasks = work.tasks.map((task) => ({
    ...task,
    shares: { ...task.shares, coordinates: task.shares.coordinates.slice(1) },
  }));
  await t.rejects(pool.run({ ...work, tasks }), { code: "WORKER_FAILED", message: /shares rebuild this secret/ });
  t.strictSame((await pool.run(work)).inconsistent, []);
  t.strictSame((await pool.run({ ...work, tasks: [] })).correction, new Uint32Array(40_000));
});

t.test("a cancelled sum stops, others go on", async (t) => {
  await using pool = new MaskPool({ workers: 1 });
  const work = await workOf(7);
  const controller = new AbortController();
  const cancelled = pool.run(work, controller.signal);
  const other = pool.run(work);
  controller.abort();
  await t.rejects(cancelled, { code: "CANCELLED" });
  t.strictSame((await other).inconsistent, []);
  await t.rejects(pool.run(work, AbortSignal.abort()), { code: "CANCELLED" });
});

t.test("a thread that dies fails its sum, and is replaced", async (t) => {
  // The script dies on its first batch.
  const script = new URL(
    `data:text/javascript,import { parentPort } from "node:worker_threads"; parentPort.on("message", () => process.exit(3));`,
  );
  const dying = new MaskPool({ workers: 1, script });
  const work = await workOf(8);
  await t.rejects(dying.run(work), { code: "WORKER_FAILED", message: /thread died/ });
  await t.rejects(dying.run(work), { code: "WORKER_FAILED" });
  await dying.close();
});

t.test("a pool tells when its threads are ready", async (t) => {
  const pool = new MaskPool({ workers: 2 });
  await pool.ready();
  await pool.ready();
  const other = new MaskPool({ workers: 1 });
  const ready = other.ready();
  await Promise.all([pool.close(), other.close()]);
  await ready;
  t.pass("closing ends the wait");
});

t.test("a closed pool refuses work, and what was under way", async (t) => {
  const pool = new MaskPool({ workers: 1 });
  const work = await workOf(9);
  const running = pool.run(work);
  const refused = t.rejects(running, { code: "CANCELLED" });
  await pool.close();
  await refused;
  await t.rejects(pool.run(work), { code: "WRONG_STATE" });
});
