// Groups of secure aggregation summed by aggregators over NATS: real devices, a real coordinator, a real message server.
import t from "tap";
import { GroupSeal } from "../../src/messaging/seal.js";
import { parseUnmaskText, unmaskText } from "../../src/messaging/unmask-text.js";
import { aggregated, VALUES } from "./aggregated.js";
import { NatsServer, withoutNats } from "./nats-server.js";

t.test("over NATS", { skip: withoutNats() }, async (t) => {
  const server = await NatsServer.start();
  t.teardown(() => server.close());

  t.test("two aggregators sum a group each; one that drains ends its group, and gets no more", async (t) => {
    const { federation: run, workers, parts, sums } = await aggregated(t, 2, server);
    const ended = run.run();
    await run.notice(({ round, state }) => round === 1 && state === "masked");
    await workers[0]?.drain();
    t.equal(workers[0]?.unmasked(), 1, "its group's sum was waited for");
    await ended;
    await Promise.all(parts);
    const all = VALUES.reduce((sum, value) => sum + value, 0) / VALUES.length;
    t.same(await sums(), [
      { round: 1, members: 8, mean: all },
      { round: 2, members: 8, mean: all },
    ]);
    t.equal((await run.model())[0], Math.fround(2 * all));
    t.same(
      workers.map(({ unmasked }) => unmasked()),
      [1, 3],
      "a group each in the first round, both are one's in the second",
    );
    t.same((await run.audit()).findings, []);
    t.same(run.faults, []);
  });

  t.test(
    "an aggregator that dies costs its group, all of them the round, and the next is the coordinator's own",
    async (t) => {
      const { federation: run, workers, parts, sums } = await aggregated(t, 2, server);
      const ended = run.run();
      await run.notice(({ round, state }) => round === 1 && state === "masked");
      // Before its group can be unmasked, whatever it has of it.
      await workers[0]?.die();
      await run.notice(({ round, state }) => round === 2 && state === "masked");
      await workers[1]?.die();
      await ended;
      await Promise.all(parts);
      const [first, last, ...others] = await sums();
      t.match(first, { round: 1, members: 4 }, "the other group's four");
      t.match(last, { round: 3, members: 8 });
      t.same(others, []);
      t.equal((await run.model())[0], Math.fround((first?.mean ?? 0) + (last?.mean ?? 0)));
      const lost = (await run.entries("round.close")).filter(({ body }) => body.outcome === "abandoned");
      t.match(lost, [{ body: { round: 2, reason: "UNMASK_FAILED" } }]);
      t.same((await run.audit()).findings, []);
      t.same(run.faults, []);
    },
  );
});

t.test("what passes between processes is sealed to its group and place", async (t) => {
  const secret = new Uint8Array(32).fill(1);
  const bytes = Buffer.from("shares");
  const sealed = new GroupSeal(secret, "a").seal("finish 0 0/1", bytes);
  t.notOk(Buffer.from(sealed).includes(bytes));
  t.same(Buffer.from(new GroupSeal(secret, "a").open("finish 0 0/1", sealed)), bytes);
  t.throws(() => new GroupSeal(secret, "b").open("finish 0 0/1", sealed));
  t.throws(() => new GroupSeal(new Uint8Array(32), "a").open("finish 0 0/1", sealed));
  t.throws(() => new GroupSeal(secret, "a").open("finish 0 1/2", sealed));
  const changed = Uint8Array.from(sealed, (byte, i) => (i === 20 ? byte ^ 1 : byte));
  t.throws(() => new GroupSeal(secret, "a").open("finish 0 0/1", changed));
});

t.test("unmasking work comes out of its text as it went in, and other text is refused", async (t) => {
  const bytes = (fill: number, length = 32): Uint8Array => new Uint8Array(length).fill(fill);
  const view = Buffer.alloc(40, 9).subarray(4, 36);
  const work = {
    parameters: {
      session: bytes(1),
      round: 3,
      planHash: bytes(2),
      modelHash: bytes(3),
      length: 10,
      bits: 20,
      valueBound: 5,
      overflow: "impossible" as const,
      graph: { type: "complete" as const },
      minimumMembers: 3,
      maximumMembers: 9,
      minimumSurvivors: 3,
    },
    sharing: { holders: 4, threshold: 3 },
    tasks: [
      {
        type: "self-mask" as const,
        member: 0,
        shares: { coordinates: [1, 2, 3], values: bytes(4, 96) },
        commitment: view,
      },
      {
        type: "pair-masks" as const,
        member: 1,
        shares: { coordinates: [1, 2, 4], values: bytes(6, 96) },
        maskPublicKey: bytes(7),
        survivors: [{ member: 0, maskPublicKey: bytes(8) }],
      },
    ],
  };
  const parsed = parseUnmaskText(unmaskText(work as unknown as Parameters<typeof unmaskText>[0]));
  const withGraph = (graph: object) =>
    unmaskText({ ...work, parameters: { ...work.parameters, graph } } as unknown as Parameters<typeof unmaskText>[0]);
  const harary = { type: "harary", corruptFraction: 0.1, dropoutFraction: 0.2, adversary: "semi-honest" };
  t.same(parseUnmaskText(withGraph(harary)).parameters.graph, harary);
  t.throws(() => parseUnmaskText(withGraph({ ...harary, dropoutFraction: 1 })), { code: "BAD_DATA" });
  t.throws(() => parseUnmaskText(withGraph({ type: "star" })), { code: "BAD_DATA" });
  t.same(JSON.stringify(parsed.tasks[0]), JSON.stringify({ ...work.tasks[0], commitment: new Uint8Array(view) }));
  t.same(parsed.tasks[1], work.tasks[1]);
  t.same({ ...parsed, tasks: [] }, { ...work, tasks: [] });
  for (const text of ["", "{}", "[1]", JSON.stringify({ ...work, tasks: [{ type: "none" }] })]) {
    t.throws(() => parseUnmaskText(Buffer.from(text)), text);
  }
});
