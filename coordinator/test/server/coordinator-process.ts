// A coordinator that kills itself, without a chance to tidy up, the moment a round's state has become durable:
//   coordinator-process.js DATA_DIR PORT central|secure [STATE ROUND]
// STATE may be "sum written": then it does so when the ROUNDth sum is a file, and no transaction has named it yet.
// It prints its port, then each notice, one JSON value a line.
import { ServerCredentials } from "@grpc/grpc-js";
import { ArtifactStore } from "../../src/models/artifact-store.js";
import { Coordinator } from "../../src/server/coordinator.js";
import { ORIGIN } from "./federation.js";
import { centralNoise, secureExact, testPlan } from "./plans.js";

const [dataDir = "", port = "0", plan = "", killState, killRound] = process.argv.slice(2);

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

if (killState === "sum written") {
  const put = ArtifactStore.prototype.put;
  let sums = 0;
  ArtifactStore.prototype.put = async function (bytes, options) {
    const sha256 = await put.call(this, bytes, options);
    // Models have a header, which is text, behind its length.
    if (bytes[8] !== "{".charCodeAt(0) && String(++sums) === killRound) process.kill(process.pid, "SIGKILL");
    return sha256;
  };
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
