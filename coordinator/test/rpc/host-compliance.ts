// What carries calls must do, whatever protocol it speaks: one suite for gRPC and Connect.
import { create, toBinary } from "@bufbuild/protobuf";
import type { Transport } from "@fedloop/client-runtime";
import { nodeVerifier } from "@fedloop/consent/node";
import { type ArtifactChunk, Artifacts, CHUNK_BYTES, GetArtifactRequestSchema, Transparency } from "@fedloop/proto";
import type { Test } from "tap";
import { CoordinatorError } from "../../src/errors.js";
import type { CallLimiter } from "../../src/limits/call-limits.js";
import { Authenticator } from "../../src/registry/authentication.js";
import type { CallOptions, ServiceHost } from "../../src/rpc/service.js";
import { start as startRegistry } from "../registry/fixture.js";
import { callOpen, refusal } from "./raw-device.js";

interface Handlers {
  readonly checkpoint?: () => Promise<string>;
  readonly chunks?: () => AsyncIterable<{ readonly data: Uint8Array }>;
  readonly limits?: CallLimiter;
  readonly admission?: CallOptions["admission"];
}

/** A host that serves, and a way to it. */
export interface ServedHost {
  readonly transport: Transport;
  readonly close: (graceMs?: number) => Promise<void>;
}

/** A kind of host: `add` the services, then serve them. */
export type HostKind = (options: CallOptions, add: (host: ServiceHost) => void) => Promise<ServedHost>;

interface Started {
  readonly server: ServedHost;
  readonly transport: Transport;
  readonly faults: unknown[];
  readonly getCheckpoint: () => Promise<{ readonly checkpoint: string }>;
  readonly openArtifact: () => AsyncIterator<ArtifactChunk>;
}

/** A promise, and what settles it. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** @param readAhead chunks of 1 MiB that may be on their way to a reader who does not read */
export function hostCompliance(t: Test, name: string, serve: HostKind, readAhead: number): void {
  /** A server of methods that need no session, and a connection to it. */
  async function start(t: Test, { checkpoint, chunks, limits, admission }: Handlers = {}): Promise<Started> {
    const { registry, clock } = await startRegistry(t);
    const faults: unknown[] = [];
    const authenticator = new Authenticator({ registry, verifier: nodeVerifier(), clock });
    const onFault = (_method: string, cause: unknown) => faults.push(cause);
    const calls = { authenticator, clock, limits, admission, onFault };
    const server = await serve(calls, (host) => {
      host.add(Transparency, ["getCheckpoint", "getInclusionProof", "getConsistencyProof"], {
        getCheckpoint: async () => ({ checkpoint: (await checkpoint?.()) ?? "a checkpoint" }),
        getInclusionProof: () => ({}),
        getConsistencyProof: () => ({}),
      });
      host.add(Artifacts, ["getArtifact", "uploadChunk", "getModel"], {
        getArtifact: async function* () {
          yield* chunks?.() ?? [];
        },
        uploadChunk: () => ({}),
        getModel: () => ({}),
      });
    });
    const { transport } = server;
    t.teardown(async () => {
      await transport.close();
      await server.close(0);
    });
    const request = create(GetArtifactRequestSchema, {});
    const body = toBinary(GetArtifactRequestSchema, request);
    return {
      server,
      transport,
      faults,
      getCheckpoint: () => callOpen(transport, Transparency.method.getCheckpoint, {}),
      openArtifact: () =>
        transport.serverStream(Artifacts.method.getArtifact, request, { metadata: {}, body })[Symbol.asyncIterator](),
    };
  }

  t.test(`${name}: who asks too often is told when to come back, before its call comes to a handler`, async (t) => {
    const asked: string[] = [];
    let served = 0;
    const { getCheckpoint, openArtifact, faults } = await start(t, {
      checkpoint: async () => String(++served),
      limits: {
        admitAddress: (address) => {
          asked.push(address);
          if (asked.length < 3) throw new CoordinatorError("BUSY", "too many calls", { retryAfterMs: 1_234 });
        },
        admitIdentity: () => undefined,
        chargeForLie: () => undefined,
      },
    });
    const busy = { ...refusal("BUSY"), retryAfterMs: 1_234 };
    await t.rejects(getCheckpoint(), busy);
    await t.rejects(openArtifact().next(), busy, "a stream too");
    t.equal(served, 0);
    t.match(await getCheckpoint(), { checkpoint: "1" });
    for (const address of asked) t.match(address, /^127\.0\.0\.1(:\d+)?$/);
    t.strictSame(faults, []);
  });

  t.test(`${name}: a device that comes is turned away where too many wait, a round's work is not`, async (t) => {
    const { getCheckpoint, openArtifact, faults } = await start(t, {
      admission: {
        enter: async (isUrgent) => {
          if (!isUrgent) throw new CoordinatorError("BUSY", "too many calls wait", { retryAfterMs: 1_234 });
        },
      },
    });
    await t.rejects(getCheckpoint(), { ...refusal("BUSY"), retryAfterMs: 1_234 });
    t.match(await openArtifact().next(), { done: true });
    t.strictSame(faults, []);
  });

  t.test(`${name}: a server that goes down answers what is under way, and takes nothing new`, async (t) => {
    const begun = gate();
    const finish = gate();
    const { server, getCheckpoint } = await start(t, {
      checkpoint: async () => {
        begun.open();
        await finish.opened;
        return "the last one";
      },
    });
    const underWay = getCheckpoint();
    await begun.opened;
    const closing = server.close();
    await t.rejects(getCheckpoint(), { code: "UNAVAILABLE" });
    finish.open();
    t.match(await underWay, { checkpoint: "the last one" });
    await closing;
  });

  t.test(`${name}: a call that never ends does not hold the server`, async (t) => {
    const begun = gate();
    const { server, getCheckpoint } = await start(t, {
      checkpoint: () => {
        begun.open();
        return new Promise(() => undefined);
      },
    });
    const refused = t.rejects(getCheckpoint(), { name: "ClientError" });
    await begun.opened;
    await server.close(20);
    await refused;
  });

  t.test(
    `${name}: what was not foreseen is told to the operator, and to the caller only that it happened`,
    async (t) => {
      const secret = new Error("the seed is 42");
      let thrown: Error = secret;
      const { getCheckpoint, faults } = await start(t, { checkpoint: () => Promise.reject(thrown) });
      const told = (cause: unknown): string => JSON.stringify(cause, Object.getOwnPropertyNames(cause));
      const first = await getCheckpoint().catch((cause: unknown) => cause);
      t.match(first, refusal("INTERNAL"));
      t.notMatch(told(first), /seed is/);
      thrown = new CoordinatorError("ARTIFACT_CORRUPT", "the disk in slot 3 is broken");
      const second = await getCheckpoint().catch((cause: unknown) => cause);
      t.match(second, refusal("INTERNAL"));
      t.notMatch(told(second), /slot 3/);
      thrown = new CoordinatorError("BUSY", "come back", { retryAfterMs: 70 });
      t.match(await getCheckpoint().catch((cause: unknown) => cause), { remoteCode: "BUSY", retryAfterMs: 70 });
      t.equal(faults.length, 2);
      t.equal(faults[0], secret);
    },
  );

  t.test(`${name}: a slow reader costs the server a few chunks, not the whole`, async (t) => {
    let produced = 0;
    const { openArtifact, getCheckpoint } = await start(t, {
      async *chunks() {
        for (; produced < 64; produced++) yield { data: new Uint8Array(CHUNK_BYTES) };
      },
    });
    const chunks = openArtifact();
    await chunks.next();
    // While the reader does something else, the server has all the time to run ahead.
    for (let call = 0; call < 50; call++) await getCheckpoint();
    t.ok(produced <= readAhead, `${produced} chunks ahead of the reader`);
    let read = 1;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) read += 1;
    t.equal(read, 64, "and the reader gets all of them");
  });

  t.test(`${name}: a reader that goes away ends the work that was done for it`, async (t) => {
    const ended = gate();
    const { openArtifact } = await start(t, {
      async *chunks() {
        try {
          for (;;) yield { data: new Uint8Array(CHUNK_BYTES) };
        } finally {
          ended.open();
        }
      },
    });
    const chunks = openArtifact();
    await chunks.next();
    await chunks.return?.();
    await ended.opened;
    t.pass("the generator has closed what it held");
  });

  t.test(`${name}: a stream that fails in its middle gives the reason after what it had sent`, async (t) => {
    const { openArtifact } = await start(t, {
      async *chunks() {
        yield { data: Uint8Array.of(1) };
        throw new CoordinatorError("NOT_FOUND", "the rest is gone");
      },
    });
    const chunks = openArtifact();
    t.match(await chunks.next(), { done: false });
    await t.rejects(chunks.next(), refusal("NOT_FOUND"));
  });
}
