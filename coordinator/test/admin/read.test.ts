import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cosigner, httpWitness, noteSigner, parseEntry } from "@fedloop/consent";
import { generateNodeSigner } from "@fedloop/consent/node";
import t from "tap";
import { loadKeys } from "../../src/server/keys.js";
import { WitnessServer } from "../../src/server/witness.js";
import { ORIGIN } from "../server/federation.js";
import { takePart } from "../server/people.js";
import { POPULATION } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";
import { callsAs, openWithApi } from "./api.js";

const COMMITTED = fileURLToPath(new URL("../../../../docs/openapi.json", import.meta.url));

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

t.test("docs/openapi.json is the document of these routes", async (t) => {
  const { get } = await openWithApi(t);
  const { body } = await get("/openapi.json");
  t.strictSame(
    JSON.parse(readFileSync(COMMITTED, "utf8")),
    body,
    "after a change: npm run build && node coordinator/dist/test/admin/write-openapi.js",
  );
});

t.test("every operation has a name and a summary, every reference leads somewhere, every POST asks for a key", (t) => {
  const document: Document = JSON.parse(readFileSync(COMMITTED, "utf8"));
  t.equal(document.openapi, "3.1.0");
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
  );
  const names = operations.map(({ operationId }) => operationId);
  t.equal(new Set(names).size, names.length);
  for (const { path, method, operationId, summary, parameters, responses } of operations) {
    t.ok(operationId && summary, `${method} ${path}`);
    t.ok("200" in responses || "202" in responses, `${method} ${path} says what it answers`);
    t.ok("default" in responses, `${method} ${path} says that errors are problems`);
    const key = parameters?.find(({ in: place, name }) => place === "header" && name === "idempotency-key");
    t.equal(key?.required === true, method === "post", `${method} ${path}`);
  }
  for (const [, name = ""] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    t.ok(name in document.components.schemas, name);
  }
  t.end();
});

t.test("populations, rounds, models and ledger are told as the database and the log have them", async (t) => {
  const { federation, get } = await openWithApi(t, { plan: { rounds: 2 } });
  const participants = await Promise.all([federation.join(), federation.join(), federation.join()]);
  const before = await get(`/populations/${POPULATION}`);
  t.match(before.body, { state: "running", devices: 3, rounds: { planned: 2, byState: {} }, current: null });
  await Promise.all([federation.run(), ...participants.map((participant) => federation.takePart(participant))]);

  const { body } = await get("/populations");
  t.match(body.items, [
    {
      population: POPULATION,
      state: "finished",
      finished: "rounds-done",
      planSha256: /^[0-9a-f]{64}$/,
      policy: 1,
      rounds: { planned: 2, byState: { closed: 2 } },
      current: { round: 2, state: "closed" },
      budget: { spent: "unbounded", cap: null, unit: "participant" },
    },
  ]);

  const { body: first } = await get("/rounds?limit=1");
  t.equal(first.items.length, 1);
  t.match(first.items[0], { round: 2, participants: { submitted: 3, joined: 0, left: 0, dropped: 0 }, live: Object });
  const { body: second } = await get(`/rounds?limit=1&cursor=${first.next}`);
  t.match(second, { items: [{ round: 1, state: "closed" }], next: null });
  t.equal((await get("/rounds?state=abandoned")).body.items.length, 0);
  const { body: one } = await get(`/populations/${POPULATION}/rounds/1`);
  const plan = parseEntry(await federation.coordinator.ledger.entry(one.plan.index));
  t.match(plan, { type: "round.plan", ts: one.plannedMs, body: { round: 1 } });
  t.equal(one.modelOut, first.items[0].modelIn, "the second round begins where the first one ended");
  const released = await Promise.all(
    [one.journal, first.items[0].journal].map(async (index) =>
      parseEntry(await federation.coordinator.ledger.entry(index)),
    ),
  );
  t.match(released, [
    { type: "model.release", body: { round: 1 } },
    { type: "model.release", body: { round: 2 } },
  ]);

  await participants[0]?.erase();
  const { body: later } = await get(`/populations/${POPULATION}/rounds/2`);
  t.same(later.participants, first.items[0].participants, "who took part is counted though one of them was erased");

  const { body: models } = await get("/models");
  t.strictSame(
    models.items.map(({ round }: { round: number }) => round),
    [2, 1],
  );
  t.equal(models.items[1].sha256, one.modelOut);
  t.ok(models.items[1].bytes > 0);

  const { ledger, verifierKey } = federation.coordinator;
  t.match((await get("/ledger")).body, {
    size: ledger.size,
    root: Buffer.from(ledger.checkpoint().root).toString("base64url"),
    verifierKey,
    published: { size: ledger.size },
    witnesses: [],
  });
  t.strictSame((await get("/alerts")).body, { items: [] });
  t.strictSame(federation.faults, []);
});

t.test("the ledger's head says which witnesses have cosigned it, and which have not", async (t) => {
  const folder = temporaryFolder(t);
  const { checkpoint } = await loadKeys(join(folder, "keys"));
  const witness = await WitnessServer.open({
    name: "there.example",
    dataDir: temporaryFolder(t),
    listen: { host: "127.0.0.1", port: 0 },
    logs: [noteSigner(ORIGIN, checkpoint).vkey],
    tls: null,
    clock: Date,
    onFault: (where, cause) => t.fail(`${where}: ${String(cause)}`),
    onFork: () => t.fail("expected one history"),
  });
  t.teardown(() => witness.close());
  const away = cosigner("away.example", generateNodeSigner(), () => 0).vkey;
  const { federation, get } = await openWithApi(t, {
    dataDir: folder,
    witnesses: {
      quorum: 1,
      witnesses: [
        httpWitness(witness.vkey, `http://127.0.0.1:${witness.port}`, fetch),
        httpWitness(away, "http://127.0.0.1:1", fetch),
      ],
    },
  });
  await federation.coordinator.publisher.settled();
  t.match((await get("/ledger")).body, {
    quorum: 1,
    published: { size: federation.coordinator.ledger.size },
    witnesses: [
      { name: "there.example", verifierKey: witness.vkey, cosignedMs: Number },
      { name: "away.example", verifierKey: away, cosignedMs: null },
    ],
  });
});

t.test("a round that collects says how many devices it waits for, and how many have answered", async (t) => {
  const { federation, get } = await openWithApi(t);
  const participants = [await federation.join(), await federation.join(), await federation.join()] as const;
  void federation.run();
  await federation.notice(({ state }) => state === "selecting");
  const stopping = new AbortController();
  const taking = takePart(participants[0], stopping.signal).catch(() => undefined);
  while (federation.population.underWay?.progress.answered === 0) await new Promise((resolve) => setImmediate(resolve));
  const { body } = await get(`/populations/${POPULATION}/rounds/1`);
  t.match(body, {
    state: "selecting",
    journal: null,
    live: { expected: 3, answered: 1, minimum: 3 },
    deadlineMs: Number,
  });
  stopping.abort();
  await taking;
});

t.test("what is asked wrongly is told as a problem with a code, a sentence and the request's id", async (t) => {
  const { federation, get, call } = await openWithApi(t);
  for (const [path, status, code] of [
    ["/populations/nobody", 404, "UNKNOWN_POPULATION"],
    [`/populations/${POPULATION}/rounds/7`, 404, "NOT_FOUND"],
    [`/populations/${POPULATION}/rounds/x`, 400, "BAD_REQUEST"],
    ["/rounds?limit=0", 400, "BAD_REQUEST"],
    ["/rounds?state=sleeping", 400, "BAD_REQUEST"],
    ["/rounds?cursor=WyJhIl0", 400, "BAD_REQUEST"],
    ["/rounds?cursor=%00", 400, "BAD_REQUEST"],
    ["/nothing", 404, "NOT_FOUND"],
  ] as const) {
    const answer = await get(path);
    t.match(answer.headers.get("content-type"), /^application\/problem\+json/, path);
    t.match(answer, { status, body: { code, status, type: `urn:fedloop:problem:${code}`, detail: String } }, path);
    t.equal(answer.body.requestId, answer.headers.get("x-request-id"));
  }
  t.equal((await call("/checkpoint")).status, 200, "other groups of routes are as they were");
  t.strictSame(federation.faults, []);
});

t.test("who has no token sees nothing, and who has one for other populations not these", async (t) => {
  const { federation, base } = await openWithApi(t);
  const without = await fetch(`${base}/api/v1/populations`);
  t.equal(without.status, 401);
  t.match(await without.json(), { code: "UNAUTHENTICATED", status: 401 });
  const other = await callsAs(federation.coordinator, "viewer", ["others"]);
  t.strictSame((await other.get("/populations")).body, { items: [] });
  t.strictSame((await other.get("/rounds")).body, { items: [], next: null });
  t.strictSame((await other.get("/models")).body, { items: [], next: null });
  t.match(await other.get(`/populations/${POPULATION}`), { status: 403, body: { code: "FORBIDDEN" } });
  t.equal((await other.get("/ledger")).status, 200, "the log is public");
});

t.test("rounds that were abandoned one after the other are an alert", async (t) => {
  const { federation, get } = await openWithApi(t);
  const participants = await Promise.all([federation.join(), federation.join(), federation.join()]);
  t.equal(participants.length, 3);
  void federation.run();
  for (const round of [1, 2]) {
    await federation.notice((notice) => notice.round === round && notice.state === "selecting");
    await federation.population.abandonRound(round);
    await federation.notice((notice) => notice.round === round && notice.state === "abandoned");
  }
  t.match((await get("/alerts")).body.items, [
    { code: "ROUNDS_ABANDONED", severity: "warning", population: POPULATION },
  ]);
});
