// One of several coordinators on one database:
//   shared-process.js SETTINGS (JSON)
// It prints where it listens, then each notice, one JSON value a line. A line {"hold":STATE} on standard input lets it stop dead
// when a round reaches that state, until the file `go` is there: a test has then all the time it needs for its fault.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ServerCredentials } from "@grpc/grpc-js";
import { Coordinator } from "../../src/server/coordinator.js";
import { ORIGIN } from "../server/federation.js";
import { testPlan } from "../server/plans.js";
import type { SharedSettings } from "./coordinator-process.js";

const settings: SharedSettings = JSON.parse(process.argv[2] ?? "");
const { name, folder, url, rounds, leaseMs, nats, plan, webhooks = [] } = settings;
const dataDir = join(folder, name);
await mkdir(dataDir, { recursive: true });
let hold: { readonly state: string; readonly go: string } | undefined;

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const coordinator = await Coordinator.open({
  origin: ORIGIN,
  dataDir,
  keysDir: join(folder, "keys"),
  // Where an object store is shared, the folder need not be.
  artifactsDir: join(nats === null ? folder : dataDir, "artifacts"),
  store: { type: "postgres", url },
  cluster: { leaseMs },
  webhooks,
  nats: nats === null ? null : { servers: [nats] },
  plans: [
    await testPlan(dataDir, {
      rounds,
      deadlines: { selection: "20s", report: "20s" },
      ...plan,
    }),
  ],
  enrolment: { type: "open" },
  credentials: ServerCredentials.createInsecure(),
  address: "127.0.0.1:0",
  clock: { now: () => Date.now() },
  concurrentUploads: 4,
  // A table of faults may cost many rounds in a row: a population that is paused, or waits, would never reach the next state.
  retries: { pauseAfter: 1_000, firstMs: 1, longestMs: 1 },
  onPaused: (_population, { lastReason }) => print({ paused: lastReason }),
  onFault: (where, cause) => print({ where, fault: String(cause) }),
  onNotice: (_population, notice) => {
    print({ name, ...notice });
    if (hold === undefined || notice.state !== hold.state) return;
    const { go } = hold;
    hold = undefined;
    print({ held: notice.state, round: notice.round });
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(go)) Atomics.wait(cell, 0, 0, 5);
  },
});
createInterface({ input: process.stdin }).on("line", (line) => {
  hold = JSON.parse(line);
  print({ holding: hold?.state });
});
// The test is gone.
process.stdin.once("end", () => process.exit(1));
process.once("SIGTERM", () => void coordinator.close().then(() => process.exit(0)));
print({ port: coordinator.port, verifierKey: coordinator.verifierKey });
await coordinator.run(new AbortController().signal);
