// What an operator does when the database's machine is away: end the coordinators in order.
import t from "tap";
import { Federation } from "../server/federation.js";
import { HeldTrainer } from "../server/people.js";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";
import { within } from "../within.js";
import { callsAs, callsTo, HTTP } from "./api.js";

t.setTimeout(120_000);

t.test(
  "a coordinator whose database is away is drained by who was an operator",
  { skip: withoutPostgres() },
  async (t) => {
    const server = await PostgresServer.start();
    t.teardown(() => server.close());
    const url = await server.database();
    const store = { type: "postgres", url } as const;
    // Tokens are remembered from the start on: the first coordinator makes them, the second one knows them.
    const first = await Federation.open(t, { http: HTTP, store });
    const { token } = await callsAs(first.coordinator, "operator");
    const { token: viewing } = await callsAs(first.coordinator, "viewer");
    await first.close();
    const federation = await Federation.open(t, { http: HTTP, store, dataDir: first.folder });
    const { coordinator } = federation;
    federation.run().catch(() => undefined);
    const trainers = [1, 2, 3].map((value) => new HeldTrainer(value));
    const people = await Promise.all(trainers.map((trainer) => federation.join({ trainer })));
    const parts = people.map((person) => federation.takePart(person));
    await Promise.all(trainers.map(({ begun }) => begun));
    await server.kill();

    const base = `http://127.0.0.1:${coordinator.httpPort}`;
    const drain = (bearer: string) => callsTo(base, bearer).post("/drain", {}, "a-key-of-the-test-1");
    t.match(await drain(viewing), { status: 503, body: { code: "RETRY" } }, "who is no operator is not known");
    t.equal((await drain(`fedloop_${"0".repeat(12)}_${"A".repeat(43)}`)).status, 503, "nor is anybody else");
    t.equal((await callsTo(base, token).get("/populations")).status, 503, "nothing else is answered");
    t.equal(coordinator.drainRequested.aborted, false);
    t.match(await drain(token), { status: 202, body: { status: "draining" } });
    t.equal(coordinator.drainRequested.aborted, true);
    await within(coordinator.drain(100), () => "the end of the drain");
    await within(federation.close(), () => "the end of the coordinator");
    await Promise.allSettled(parts);
  },
);
