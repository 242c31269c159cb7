// A coordinator that kills itself, without a chance to tidy up, the moment a round's state has become durable:
//   coordinator-process.js DATA_DIR PORT central|secure [STATE ROUND]
// It prints its port, then each notice, one JSON value a line.
import { ServerCredentials } from "@grpc/grpc-js";
import { Coordinator } from "../../src/server/coordinator.js";
import { ORIGIN } from "./federation.js";
import { centralNoise, secureExact, testPlan } from "./plans.js";

const [dataDir = "", port = "0", plan = "", killState, killRound] = process.argv.slice(2);

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const coordinator = await Coordinator.open({
  origin: ORIGIN,
  dataDir,
  plans: [
    await testPlan(dataDir, {
      rounds: 2,
      evaluation: { metric: "mean", every: 2, length: 2 },
      ...(plan === "secure" ? secureExact(4) : centralNoise(2, 100)),
    }),
  ],
  enrolment: { type: "open" },
  credentials: ServerCredentials.createInsecure(),
  address: `127.0.0.1:${port}`,
  clock: { now: () => Date.now() },
  concurrentUploads: 4,
  onFault: (where, cause) => print({ where, fault: String(cause) }),
  onNotice: (_population, notice) => {
    print(notice);
    if (notice.state === killState && String(notice.round) === killRound) process.kill(process.pid, "SIGKILL");
  },
});
print({ port: coordinator.port, verifierKey: coordinator.verifierKey });
await coordinator.run(new AbortController().signal);
// The participants are told that there are no more rounds before the server is gone.
process.once("SIGTERM", () => void coordinator.close());
print({ finished: true });
