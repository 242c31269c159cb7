// A coordinator that is killed in every state of a round under secure aggregation, while devices of other processes take part.
import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { ParticipationEvent, Transport } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { verifyBundle } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import type { AdvertiseKeysRequest, UnmaskRequest } from "@fedloop/proto";
import t from "tap";
import { exportBundle } from "../../src/ledger/export-bundle.js";
import { ArtifactStore } from "../../src/models/artifact-store.js";
import { decodeSafetensors } from "../../src/models/safetensors.js";
import { openSqliteReader } from "../../src/store/sqlite-reader.js";
import { temporaryFolder } from "../temporary-folder.js";
import { Life } from "./life.js";
import { ConstantTrainer, joinAs, takePart } from "./people.js";

t.setTimeout(800_000);

/**
 * States of a round, and what a restart makes of it: what is not yet aggregated is in memory only, by design. Those that
 * rounds without secure aggregation pass likewise are in `killed.slow.test.ts`.
 */
const STATES = {
  keys: "abandoned",
  shares: "abandoned",
  masked: "abandoned",
  consistency: "abandoned",
  unmask: "abandoned",
  aggregated: "resumed",
} as const;

const VALUES = [1, 2, 4, 8];
const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });

/** All that devices ever sent of what must not be sent twice, or not together. */
class Sent {
  /** "round dealer" → kinds of its shares that anybody revealed. */
  readonly revealed = new Map<string, Set<string>>();
  /** Mask keys, to find whether any was used in two rounds. */
  readonly keys = new Map<string, Set<bigint>>();

  over(transport: Transport): Transport {
    return {
      unary: (method, request, options) => {
        if (method.localName === "unmask") this.#reveal(request as unknown as UnmaskRequest);
        if (method.localName === "advertiseKeys") this.#advertise(request as unknown as AdvertiseKeysRequest);
        return transport.unary(method, request, options);
      },
      serverStream: (method, request, options) => transport.serverStream(method, request, options),
      close: () => transport.close(),
    };
  }

  #reveal({ round, shares }: UnmaskRequest): void {
    for (const { member, share } of shares) {
      const name = `${round} ${member}`;
      this.revealed.set(name, (this.revealed.get(name) ?? new Set()).add(share.case ?? "none"));
    }
  }

  #advertise({ round, maskPublicKey }: AdvertiseKeysRequest): void {
    const name = Buffer.from(maskPublicKey).toString("hex");
    this.keys.set(name, (this.keys.get(name) ?? new Set()).add(round));
  }
}

/** The rounds' ends, and the newest model's first parameter. */
async function books(dataDir: string) {
  await using store = openSqliteReader(join(dataDir, "fedloop.sqlite"));
  const rounds = await store.db.selectFrom("rounds").select(["kind", "state", "reason"]).orderBy("round").execute();
  const { sha256 } = await store.db
    .selectFrom("models")
    .select("sha256")
    .orderBy("round", "desc")
    .executeTakeFirstOrThrow();
  const artifacts = await ArtifactStore.open(join(dataDir, "artifacts"));
  return { rounds, model: decodeSafetensors(await artifacts.read(sha256)).parameters[0] };
}

for (const [state, outcome] of Object.entries(STATES)) {
  t.test(`killed when a secure round is ${state}: it is ${outcome}, and every sum is right`, async (t) => {
    const dataDir = temporaryFolder(t);
    const first = new Life(dataDir, { plan: "secure", kill: { state, round: 1 } });
    t.teardown(() => first.child.kill("SIGKILL"));
    const { port = 0, verifierKey = "" } = await first.line((line) => line.port !== undefined);
    const sent = new Sent();
    const transport = grpcTransport({
      address: `127.0.0.1:${port}`,
    });
    t.teardown(() => transport.close());
    const stop = new AbortController();
    t.teardown(() => stop.abort());
    const parts = VALUES.map(async (value): Promise<ParticipationEvent[]> => {
      const options = { trainer: new ConstantTrainer(value), secureAggregation: crypto };
      return takePart(await joinAs(sent.over(transport), options), stop.signal);
    });
    t.equal(await first.ended(), "SIGKILL");
    const second = new Life(dataDir, { plan: "secure", port });
    t.teardown(() => second.child.kill("SIGKILL"));
    await second.line(({ finished }) => finished === true);
    await Promise.all(parts);
    second.child.kill("SIGTERM");
    await second.ended();
    const { rounds, model } = await books(dataDir);
    const lost = { kind: "train", state: "abandoned", reason: "COORDINATOR_RESTARTED" };
    const done = (kind: string) => ({ kind, state: "closed", reason: null });
    const expected = [done("train"), done("train"), done("evaluate")];
    t.same(rounds, outcome === "abandoned" ? [lost, ...expected] : expected);
    // Two rounds of training, each of which adds the mean of 1, 2, 4 and 8.
    t.equal(model, 2 * 3.75);
    t.ok(
      [...sent.revealed.values()].every((kinds) => kinds.size === 1),
      "never both kinds of a dealer's shares",
    );
    t.ok(
      [...sent.keys.values()].every((used) => used.size === 1),
      "no key in two rounds",
    );
    const bundle = join(dataDir, "bundle.jsonl");
    await exportBundle({ database: join(dataDir, "fedloop.sqlite"), verifierKey, path: bundle });
    const trust = { vkey: verifierKey };
    t.same((await verifyBundle(createReadStream(bundle), { verifier: nodeVerifier(), trust })).findings, []);
    t.same(
      [...first.lines, ...second.lines].filter(({ fault }) => fault !== undefined),
      [],
    );
  });
}
