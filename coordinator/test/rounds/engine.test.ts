import { createHash, randomBytes } from "node:crypto";
import { generateNodeSigner } from "@fedloop/consent/node";
import t from "tap";
import { CoordinatorError } from "../../src/errors.js";
import type { Device } from "../../src/registry/device.js";
import type { Collected } from "../../src/rounds/aggregator.js";
import type { Member } from "../../src/rounds/cohort.js";
import { RoundEngine, type RoundNotice, type RoundWork } from "../../src/rounds/engine.js";
import { EventHub } from "../../src/rounds/event-hub.js";
import { plannedRound, type RoundProgress } from "../../src/rounds/machine.js";
import { floatUpdate, submissionOf } from "../rpc/raw-device.js";

const RULES = { secureAggregation: false, selectionGoal: 2, minimum: 2, selectionMs: 60_000, reportMs: 60_000 };

/** Work that only notes what it was asked, and fails or waits where the test says so. */
class NotedWork implements RoundWork {
  updates: readonly (readonly number[])[] = [];
  readonly done: string[] = [];
  readonly #faults = new Map<string, () => Promise<void>>();
  sum: number[] = [];
  members: readonly Member[] = [];

  /** From here on this step begins with what the test wants. */
  before(step: string, act: () => Promise<void>): void {
    this.#faults.set(step, act);
  }

  async #note(step: string): Promise<void> {
    await this.#faults.get(step)?.();
    this.done.push(step);
  }

  reserve(): Promise<void> {
    return this.#note("reserved");
  }

  configure(members: readonly Member[]): Promise<void> {
    this.members = members;
    return this.#note("configured");
  }

  enter(state: string): Promise<void> {
    return this.#note(state);
  }

  aggregate(collected: Collected): Promise<void> {
    this.sum = "values" in collected ? Array.from(collected.values) : [];
    if ("updates" in collected) this.updates = collected.updates.map((update) => Array.from(update));
    return this.#note("aggregated");
  }

  debit(): Promise<void> {
    return this.#note("debited");
  }

  release(): Promise<void> {
    return this.#note("released");
  }

  close(): Promise<void> {
    return this.#note("closed");
  }

  abandon(reason: string): Promise<void> {
    return this.#note(`abandoned ${reason}`);
  }
}

interface Started {
  readonly engine: RoundEngine;
  readonly work: NotedWork;
  readonly notices: RoundNotice[];
  /** Resolves when a state was told of. */
  readonly entered: (state: string) => Promise<void>;
}

function start(work: NotedWork = new NotedWork(), progress: Partial<RoundProgress> = {}): Started {
  const notices: RoundNotice[] = [];
  const waiting = new Set<() => void>();
  const engine = new RoundEngine({
    round: 1,
    kind: "train",
    format: { length: 2, encoding: "float32", quantisation: { granularity: 1, integerNormBound: 1, bits: 32 } },
    progress: { ...plannedRound(RULES), ...progress },
    work,
    clock: { now: () => 1_000 },
    hub: new EventHub(),
    onNotice: (notice) => {
      notices.push(notice);
      for (const wake of waiting) wake();
    },
    concurrentUploads: 1,
    secure: null,
  });
  const entered = async (state: string): Promise<void> => {
    while (!notices.some((notice) => notice.state === state)) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
      });
    }
  };
  return { engine, work, notices, entered };
}

function member(): Member {
  const device: Device = {
    id: randomBytes(16).toString("base64url"),
    population: "lecturers",
    publicKey: generateNodeSigner().publicKey,
    subject: randomBytes(16).toString("base64url"),
    session: null,
    sessionExpiresMs: 0,
  };
  return {
    device,
    consentIndex: 1,
    joinSignature: new Uint8Array(64),
    joinedMs: 0,
    state: "joined",
    submitted: null,
    maskKey: null,
  };
}

function inline(...values: number[]): { readonly inline: Uint8Array; readonly chunksSha256: Uint8Array } {
  return submissionOf(floatUpdate(...values));
}

const COURSE = ["reserved", "selecting", "configured", "masked", "aggregated", "debited", "released", "closed"];

t.test("a round does its work state by state, each once and in order", async (t) => {
  const { engine, work, entered } = start();
  engine.start(false);
  await entered("selecting");
  const [a, b] = [member(), member()];
  for (const each of [a, b, a]) engine.join(each);
  await entered("masked");
  engine.submit(a.device, inline(1, 2));
  engine.submit(b.device, inline(3, -4));
  t.match(await engine.ended, { state: "closed", reason: null });
  t.same(work.done, COURSE);
  t.same(work.sum, [4, -2]);
  t.same(work.members.length, 2);
});

t.test("a slow transition is waited for by the next one, and not by the devices", async (t) => {
  const work = new NotedWork();
  let go = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  let begun = (): void => undefined;
  const isConfiguring = new Promise<void>((resolve) => {
    begun = resolve;
  });
  work.before("configured", () => {
    begun();
    return held;
  });
  const { engine, entered } = start(work);
  engine.start(false);
  await entered("selecting");
  const [a, b] = [member(), member()];
  engine.join(a);
  engine.join(b);
  await isConfiguring;
  t.throws(() => engine.join(member()), { code: "WRONG_STATE" }, "the cohort is complete");
  t.throws(() => engine.submit(a.device, inline(1, 1)), { code: "RETRY", retryAfterMs: 20 }, "in a moment");
  engine.leave(b.device);
  go();
  t.match(await engine.ended, { state: "abandoned", reason: "TOO_FEW_UPDATES" });
  t.same(work.done, ["reserved", "selecting", "configured", "masked", "abandoned TOO_FEW_UPDATES"]);
});

t.test("a transition that fails ends the driving, and nothing follows it", async (t) => {
  for (const step of ["reserved", "selecting", "configured", "masked", "aggregated", "debited", "released", "closed"]) {
    const work = new NotedWork();
    work.before(step, () => Promise.reject(new CoordinatorError("STORE_FAILED", "the disk is full")));
    const { engine, entered } = start(work);
    engine.start(false);
    const ended = t.rejects(engine.ended, { code: "STORE_FAILED" }, step);
    const devices = [member(), member()];
    if (COURSE.indexOf(step) > COURSE.indexOf("selecting")) {
      await entered("selecting");
      for (const each of devices) engine.join(each);
    }
    if (COURSE.indexOf(step) > COURSE.indexOf("masked")) {
      await entered("masked");
      for (const each of devices) engine.submit(each.device, inline(1, 1));
    }
    await ended;
    t.same(work.done, COURSE.slice(0, COURSE.indexOf(step)));
  }
});

t.test("a reservation that the budget refuses abandons the round; any other fault of it does not", async (t) => {
  const work = new NotedWork();
  work.before("reserved", () => Promise.reject(new CoordinatorError("BUDGET_EXCEEDED", "spent")));
  const { engine } = start(work);
  engine.start(false);
  t.match(await engine.ended, { state: "abandoned", reason: "BUDGET_EXCEEDED" });
  t.same(work.done, ["abandoned BUDGET_EXCEEDED"]);
});

t.test("once the sum is released nothing abandons the round any more", async (t) => {
  const work = new NotedWork();
  const { engine, entered } = start(work);
  work.before("debited", async () => engine.abandon("OPERATOR_STOPPED"));
  engine.start(false);
  await entered("selecting");
  const devices = [member(), member()];
  for (const each of devices) engine.join(each);
  await entered("masked");
  for (const each of devices) engine.submit(each.device, inline(1, 1));
  t.match(await engine.ended, { state: "closed" });
  t.same(work.done, COURSE);
});

t.test("a round found in the store goes on where it stood", async (t) => {
  for (const state of ["aggregated", "debited", "released"] as const) {
    const { engine, work } = start(new NotedWork(), { state });
    engine.start(true);
    t.match(await engine.ended, { state: "closed" });
    t.same(work.done, COURSE.slice(COURSE.indexOf(state) + 1), state);
  }
  for (const state of ["configured", "masked"] as const) {
    const { engine, work } = start(new NotedWork(), { state });
    engine.start(true);
    t.match(await engine.ended, { state: "abandoned", reason: "COORDINATOR_RESTARTED" });
    t.same(work.done, ["abandoned COORDINATOR_RESTARTED"], state);
  }
});

t.test("a deadline that had passed while the process was down is counted anew for a selection", async (t) => {
  const { engine, work, entered } = start(new NotedWork(), { state: "selecting", deadlineMs: 1 });
  engine.start(true);
  t.match(engine.notice, { state: "selecting", deadlineMs: 61_000 });
  engine.join(member());
  engine.join(member());
  await entered("masked");
  t.same(work.done, ["configured", "masked"]);
  await engine.stop();
});

t.test("fewer devices than the goal are enough when no more can come", async (t) => {
  const { engine, entered } = start(new NotedWork(), { rules: { ...RULES, selectionGoal: 5 } });
  engine.expectAtMost(3);
  engine.start(false);
  await entered("selecting");
  for (let i = 0; i < 2; i++) engine.join(member());
  t.equal(engine.progress.state, "selecting");
  engine.expectAtMost(2);
  await entered("masked");
  t.equal(engine.cohort.size, 2);
  await engine.stop();
});

t.test("stopped, the engine takes nothing more and leaves no trace", async (t) => {
  const { engine, work, entered } = start();
  engine.start(false);
  await entered("selecting");
  const devices = [member(), member()];
  for (const each of devices) engine.join(each);
  await entered("masked");
  const ended = t.rejects(engine.ended, { code: "RETRY" });
  await engine.stop();
  await ended;
  for (const { device } of devices) t.throws(() => engine.submit(device, inline(1, 1)), { code: "RETRY" });
  engine.abandon("OPERATOR_STOPPED");
  t.same(work.done, ["reserved", "selecting", "configured", "masked"]);
});

const NEVER = new AbortController().signal;
const TOTAL_BYTES = 8;

function upload(engine: RoundEngine, { device }: Member, values: readonly number[]): void {
  const data = floatUpdate(...values);
  engine.placeChunk(device, {
    totalBytes: TOTAL_BYTES,
    offset: 0,
    data,
    sha256: createHash("sha256").update(data).digest(),
  });
}

async function crowded(members: number, rules: Partial<typeof RULES> = {}) {
  const started = start(new NotedWork(), { rules: { ...RULES, selectionGoal: members, minimum: members, ...rules } });
  const { engine, entered } = started;
  engine.start(false);
  await entered("selecting");
  const devices = Array.from({ length: members }, member);
  for (const each of devices) engine.join(each);
  await entered("masked");
  const ask = ({ device }: Member, waitMs = 60_000): Promise<number> =>
    engine.reservePlace(device, TOTAL_BYTES, waitMs, NEVER);
  return { ...started, devices, ask };
}

t.test(
  "with all places for uploads taken devices wait for one in the order in which they came, and send nothing",
  async (t) => {
    const { engine, work, devices, ask } = await crowded(4);
    const [first] = devices;
    const order: number[] = [];
    await Promise.all(
      devices.map(async (each, i) => {
        t.equal(await ask(each), 0);
        order.push(i);
        upload(engine, each, [i, 1]);
        engine.submit(each.device, { inline: new Uint8Array(), chunksSha256: inline(i, 1).chunksSha256 });
      }),
    );
    t.same(order, [0, 1, 2, 3]);
    t.match(await engine.ended, { state: "closed" });
    t.same(work.sum, [6, 4]);
    if (first !== undefined) t.equal(await ask(first), TOTAL_BYTES, "who is in the sum has nothing more to send");
  },
);

t.test("asking for a place twice takes one, and tells where to go on", async (t) => {
  const { engine, devices, ask } = await crowded(2);
  const [a, b] = devices as [Member, Member];
  t.same(await Promise.all([ask(a), ask(a)]), [0, 0]);
  const twice = [ask(b), ask(b)];
  await t.rejects(ask(b, 0), { code: "BUSY", retryAfterMs: 50 }, "who does not want to wait is told at once");
  upload(engine, a, [1, 2]);
  t.equal(await ask(a), TOTAL_BYTES, "nothing is missing");
  engine.submit(a.device, { inline: new Uint8Array(), chunksSha256: inline(1, 2).chunksSha256 });
  t.equal(await ask(a), TOTAL_BYTES, "it is in the sum");
  t.same(await Promise.all(twice), [0, 0]);
  await t.rejects(engine.reservePlace(b.device, TOTAL_BYTES + 1, 0, NEVER), { code: "OUT_OF_RANGE" });
  await engine.stop();
});

t.test(
  "a place is waited for as long as the device wants, while the round goes on and while the server runs",
  async (t) => {
    const { engine, devices, ask } = await crowded(3);
    const [a, b, c] = devices as [Member, Member, Member];
    await ask(a);
    await t.rejects(ask(b, 1), { code: "BUSY" });
    const drained = new AbortController();
    const held = engine.reservePlace(b.device, TOTAL_BYTES, 60_000, drained.signal);
    drained.abort(new CoordinatorError("RETRY", "going down"));
    await t.rejects(held, { code: "RETRY" });
    const waiting = t.rejects(ask(b), { code: "WRONG_STATE" });
    const gone = t.rejects(ask(c), { code: "NOT_IN_ROUND" });
    engine.leave(c.device);
    await Promise.all([waiting, gone]);
    t.match(await engine.ended, { state: "abandoned" });
  },
);
