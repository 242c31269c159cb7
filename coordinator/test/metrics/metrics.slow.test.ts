import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { callsAs, openWithApi } from "../admin/api.js";
import { POPULATION } from "../server/plans.js";

const OPERATIONS = fileURLToPath(new URL("../../../../docs/operations.md", import.meta.url));
const BOARD = fileURLToPath(new URL("../../../../deploy/grafana/fedloop.json", import.meta.url));

/** The value of a sample, by how Prometheus' text begins it. */
function sample(text: string, name: string): number | undefined {
  const line = text.split("\n").find((it) => it.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

t.test("metrics say what happened, and the board asks for no other ones", async (t) => {
  const { federation, call, get } = await openWithApi(t);
  const people = await Promise.all([1, 2, 3].map(() => federation.join()));
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  await federation.coordinator.publisher.settled();
  await get("/populations");
  await get("/nothing-there");
  const { status, body, headers } = await call("/metrics");
  t.equal(status, 200);
  t.match(headers.get("content-type"), /^text\/plain/);
  const labels = `population="${POPULATION}"`;
  for (const [name, value] of [
    [`fedloop_rounds{${labels},state="closed"}`, 1],
    [`fedloop_rounds_ended_total{${labels},kind="train",outcome="closed"}`, 1],
    [`fedloop_round_duration_seconds_count{${labels},outcome="closed"}`, 1],
    [`fedloop_round_participants{${labels},state="submitted"}`, 3],
    [`fedloop_devices{${labels}}`, 3],
    ["fedloop_ledger_entries", federation.coordinator.ledger.size],
    ["fedloop_ledger_published_entries", federation.coordinator.ledger.size],
    ["fedloop_webhooks_pending", 0],
    ["fedloop_draining", 0],
    ["fedloop_faults_total", 0],
    ['fedloop_http_requests_total{method="GET",route="/api/v1/populations",status="200"}', 1],
  ] as const) {
    t.equal(sample(body, name), value, name);
  }
  t.ok((sample(body, 'fedloop_calls_total{method="/fedloop.v1.Rounds/SubmitMasked"}') ?? 0) >= 3);
  t.ok((sample(body, 'fedloop_call_received_bytes_total{method="/fedloop.v1.Rounds/SubmitMasked"}') ?? 0) > 36);

  const names = new Set(
    [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = "", type]) =>
      type === "histogram" ? [name, `${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
    ),
  );
  const board = JSON.parse(readFileSync(BOARD, "utf8"));
  const asked = new Set<string>();
  for (const text of JSON.stringify(board).matchAll(/\b(fedloop_[a-z0-9_]+|nodejs_[a-z0-9_]+|process_[a-z0-9_]+)\b/g)) {
    asked.add(text[0]);
  }
  for (const name of asked) t.ok(names.has(name), `the board asks for ${name}`);
  const own = [...body.matchAll(/^# TYPE (fedloop_\S+) \S+$/gm)].map(([, name = ""]) => name);
  for (const name of own)
    t.ok(
      [...asked].some((it) => it.startsWith(name)),
      `the board shows ${name}`,
    );
  // The schemas of a shared database have such names, too.
  const elsewhere = ["fedloop_vault", "fedloop_access"];
  for (const [name] of readFileSync(OPERATIONS, "utf8").matchAll(/\b(?:fedloop|nodejs)_[a-z0-9_]+/g)) {
    t.ok(names.has(name) || elsewhere.includes(name), `the operators' page names ${name}`);
  }
  t.notMatch(body, new RegExp(people.map(({ subject }) => subject).join("|")), "nobody is named");
});

t.test("metrics are for who has a token for all populations; health and readiness are for everyone", async (t) => {
  const { federation, base } = await openWithApi(t);
  t.equal((await fetch(`${base}/metrics`)).status, 401);
  const some = await callsAs(federation.coordinator, "viewer", [POPULATION]);
  t.equal((await some.call("/metrics")).status, 403);
  const ready = async () => {
    const response = await fetch(`${base}/readyz`);
    return [response.status, await response.json()];
  };
  t.strictSame(await ready(), [200, { status: "ready" }]);
  t.strictSame(await (await fetch(`${base}/healthz`)).json(), { status: "alive" });
  await federation.coordinator.drain(0);
  t.strictSame(await ready(), [503, { status: "draining" }]);
  t.equal((await fetch(`${base}/healthz`)).status, 200);
});
