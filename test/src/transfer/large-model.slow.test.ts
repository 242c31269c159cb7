import { readFileSync, writeFileSync } from "node:fs";
import { memoryStore, Participant, type Trainer } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { nodeSha256 } from "@fedloop/client-runtime/node";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import t from "tap";
import { briskClock } from "../processes/brisk-clock.js";
import { POPULATION, ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { WILLING } from "../processes/willing.js";
import { CuttingProxy } from "./cutting-proxy.js";

/** 256 MiB of 32-bit floats, in the model and in each update. */
const PARAMETERS = 64 << 20;
const MODEL_BYTES = 4 * PARAMETERS;
const MIB = 1 << 20;

/** A value for each parameter that no shift, gap or repetition of chunks leaves in its place. */
function patternAt(index: number): number {
  return ((index * 2_654_435_761) >>> 12) / 2 ** 20;
}

/** Resident memory of a process now (VmRSS) or at its peak (VmHWM), in MiB. Linux. */
function memoryMb(pid: number, name: "VmRSS" | "VmHWM"): number {
  const [, kilobytes] = new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) / 1024;
}

function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

t.test("a model and an update of 256 MiB survive cut connections, and the server stays small", async (t) => {
  const config = writeConfiguration(temporaryFolder(t), {
    model: { parameters: PARAMETERS },
    rounds: 2,
    cohort: { target: 1, minimum: 1, overSelection: 1 },
    deadlines: { selection: "10m", report: "10m" },
  });
  const server = new ServeProcess(t, config, ["--exit-when-finished"]);
  const { address } = await server.listening();
  const proxy = await CuttingProxy.open(address);
  t.teardown(() => proxy.close());
  const transport = grpcTransport({ address: proxy.address });
  t.teardown(() => transport.close());
  const pid = server.child.pid ?? 0;

  // The peak is that of the transfer, not of the round's own work before it.
  let residentMb = 0;
  void server
    .line(({ round, state }) => round === 2 && state === "masked")
    .then(() => {
      residentMb = memoryMb(pid, "VmRSS");
      resetPeak(pid);
    });
  let downloadMb = 0;
  const seen: string[] = [];
  const trainer: Trainer = {
    id: "test",
    train: async ({ parameters, updateLength }) => {
      const expected = seen.length === 0 ? () => 0 : patternAt;
      const wrong = parameters.findIndex((value, index) => value !== expected(index));
      seen.push(wrong < 0 ? "as released" : `parameter ${wrong} is another`);
      const update = new Float32Array(updateLength);
      if (seen.length === 2) {
        downloadMb = memoryMb(pid, "VmHWM") - residentMb;
        return { update };
      }
      proxy.cutAfter("up", MODEL_BYTES / 2);
      for (let i = 0; i < updateLength; i++) update[i] = patternAt(i);
      return { update };
    },
    evaluate: () => Promise.reject(new Error("there is no evaluation")),
  };
  const participant = await Participant.join({
    population: POPULATION,
    transport,
    store: memoryStore(),
    signer: generateNodeSigner(),
    verifier: nodeVerifier(),
    sha256: nodeSha256,
    clock: briskClock,
    retry: { attempts: 2_000 },
    trainer,
    floors: { allowNoNoise: true, requireSecureAggregation: false, minimumCohort: 1 },
    limits: { modelBytes: MODEL_BYTES + MIB, updateLength: PARAMETERS },
    consent: WILLING,
  });
  const accepted: number[] = [];
  proxy.cutAfter("down", MODEL_BYTES / 2);
  for await (const event of participant.run()) {
    if (event.type !== "accepted") continue;
    accepted.push(event.round);
    if (event.round === 1) proxy.cutAfter("down", MODEL_BYTES / 2);
  }
  t.same(accepted, [1, 2]);
  t.same(seen, ["as released", "as released"]);
  t.equal(proxy.cuts, 3, "both models and the first update were cut in their middle");
  const down = proxy.bytes.down / MIB;
  const up = proxy.bytes.up / MIB;
  t.ok(down > 2 * 256 && down < 2 * 256 + 32, `a cut download goes on where it stopped: ${down} MiB for two models`);
  t.ok(up > 2 * 256 && up < 2 * 256 + 32, `and so does an upload: ${up} MiB for two updates`);
  t.ok(downloadMb < 64, `a download costs the server chunks, not the model: ${downloadMb} MiB`);
  t.equal(await server.exit(), 0, server.log);
  const { peakServerMb = Number.NaN } = server.lines.at(-1) ?? {};
  // The sum alone, in doubles, is two models; one upload, the released sum and the model before and after are the rest;
  // and the process itself.
  t.ok(peakServerMb < 6 * 256 + 100, `the whole took ${peakServerMb} MB`);
});
