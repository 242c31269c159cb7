// What every transport has to bring through, whatever the network does: the same suite for gRPC and Connect.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import {
  type Clock,
  type JoinOptions,
  memoryStore,
  Participant,
  type ParticipationEvent,
  systemClock,
  type Transport,
} from "@fedloop/client-runtime";
import { nodeSha256 } from "@fedloop/client-runtime/node";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import type { Test } from "tap";
import { briskClock } from "../processes/brisk-clock.js";
import {
  type PlanSections,
  POPULATION,
  ServeProcess,
  temporaryFolder,
  writeConfiguration,
} from "../processes/serve.js";
import { WILLING } from "../processes/willing.js";
import { CuttingProxy } from "../transfer/cutting-proxy.js";
import { type Faults, faulty, seededDelays } from "./faulty.js";

const VALUES = [1, -2.5, 4];
/** Of a model, and of each update, in four chunks. */
const LARGE = 900_000;

const PLAN: PlanSections = { rounds: 2, deadlines: { selection: "60s", report: "60s" } };

interface Options {
  readonly plan?: PlanSections;
  readonly faults?: Faults;
  /** Between the participants and the coordinator; by default nothing. */
  readonly between?: (address: string) => Promise<string>;
}

interface Place {
  readonly folder: string;
  readonly server: ServeProcess;
  readonly grpc: string;
  readonly http: string;
}

/** A way to the coordinator: a port of the machine, spoken to in the transport's protocol. */
export interface TransportKind {
  /** Which of the coordinator's ports it speaks to. */
  readonly port: (place: Pick<Place, "grpc" | "http">) => string;
  /** @param address host:port */
  readonly open: (address: string) => Transport;
}

function hostPort(url: string): string {
  return url.replace(/^[a-z]+:\/\//, "");
}

async function serve(t: Test, plan: PlanSections, folder: string, before?: Place): Promise<Place> {
  const ports = [before?.grpc, before?.http].map((address) => Number(address?.split(":").at(-1) ?? 0));
  const [grpcPort = 0, httpPort = 0] = ports;
  const config = writeConfiguration(folder, plan, grpcPort, { port: httpPort, corsOrigins: [] });
  const server = new ServeProcess(t, config);
  const { address, http } = await server.listening();
  return { folder, server, grpc: address, http: hostPort(http) };
}

/** Runs the suite. */
export function transportCompliance(t: Test, name: string, kind: TransportKind): void {
  function join(transport: Transport, value: number, overrides: Partial<JoinOptions> = {}): Promise<Participant> {
    return Participant.join({
      population: POPULATION,
      transport,
      store: memoryStore(),
      signer: generateNodeSigner(),
      verifier: nodeVerifier(),
      sha256: nodeSha256,
      clock: briskClock,
      retry: { attempts: 4_000, firstMs: 25, longestMs: 25 },
      limits: { modelBytes: 8 << 20 },
      floors: { allowNoNoise: true, requireSecureAggregation: false, minimumCohort: 1 },
      trainer: {
        id: "test",
        train: async ({ updateLength }) => ({ update: new Float32Array(updateLength).fill(value) }),
        evaluate: async ({ updateLength }) => new Float32Array(updateLength),
      },
      consent: WILLING,
      ...overrides,
    });
  }

  /** Everyone takes part to the end. @returns each one's events, and the model that is left */
  async function takePart(people: readonly Participant[]): Promise<ParticipationEvent[][]> {
    return Promise.all(
      people.map(async (person) => {
        const events: ParticipationEvent[] = [];
        for await (const event of person.run()) events.push(event);
        return events;
      }),
    );
  }

  /** That each completed round counted everyone once, whatever was sent how often. */
  async function requireExact(t: Test, people: readonly Participant[], parameters: number): Promise<void> {
    const mean = Math.fround(VALUES.reduce((sum, value) => sum + value, 0) / VALUES.length);
    const model = (await people[0]?.model())?.parameters ?? new Float32Array(0);
    t.equal(model.length, parameters);
    t.equal(
      model.findIndex((value) => value !== Math.fround(2 * mean)),
      -1,
      "the model is the exact sum of two rounds",
    );
    for (const person of people) t.equal((await person.budget()).rounds, 2, "each round is counted once");
  }

  async function start(t: Test, { plan = {}, faults = {}, between = async (address) => address }: Options) {
    const place = await serve(t, { ...PLAN, ...plan }, temporaryFolder(t));
    const inner = kind.open(await between(kind.port(place)));
    t.teardown(() => inner.close());
    const transport = faulty(inner, systemClock(), faults);
    const people = await Promise.all(VALUES.map((value) => join(transport, value)));
    return { place, people };
  }

  t.test(`${name}: connections that are cut in mid-transfer`, async (t) => {
    const proxies: CuttingProxy[] = [];
    const { people } = await start(t, {
      plan: { model: { parameters: LARGE } },
      between: async (address) => {
        const proxy = await CuttingProxy.open(address);
        t.teardown(() => proxy.close());
        proxies.push(proxy);
        return proxy.address;
      },
    });
    const [proxy] = proxies;
    if (proxy === undefined) throw new Error("expected a proxy");
    proxy.cutAfter("down", 5 * LARGE);
    const parts = takePart(people);
    await until(() => proxy.cuts === 1 && proxy.bytes.down > 12 * LARGE);
    proxy.cutAfter("up", 6 * LARGE);
    await parts;
    t.equal(proxy.cuts, 2, "once while models came, once while updates went");
    await requireExact(t, people, LARGE);
    const models = proxy.bytes.down / (4 * LARGE);
    t.ok(models < 2 * VALUES.length + 3, `cut downloads go on where they stopped: ${models} models' worth came`);
  });

  t.test(`${name}: every call arrives twice`, async (t) => {
    const { people } = await start(t, { plan: { model: { parameters: LARGE } }, faults: { twice: true } });
    await takePart(people);
    await requireExact(t, people, LARGE);
  });

  t.test(`${name}: every third answer is lost`, async (t) => {
    const { people } = await start(t, { faults: { loseEvery: 3 } });
    await takePart(people);
    await requireExact(t, people, 3);
  });

  t.test(`${name}: calls, answers and events overtake one another`, async (t) => {
    const delayMs = seededDelays(7, 30);
    const { people } = await start(t, { plan: { model: { parameters: LARGE } }, faults: { delayMs } });
    await takePart(people);
    await requireExact(t, people, LARGE);
  });

  t.test(`${name}: the coordinator is killed in mid-round and started again`, async (t) => {
    const { place, people } = await start(t, { plan: { model: { parameters: LARGE } } });
    const parts = takePart(people);
    await place.server.line(({ state }) => state === "masked");
    place.server.child.kill("SIGKILL");
    await place.server.exit();
    await serve(t, { ...PLAN, model: { parameters: LARGE } }, place.folder, place);
    const events = await parts;
    for (const each of events) {
      const accepted = each.flatMap((event) => (event.type === "accepted" ? [event.round] : []));
      t.equal(new Set(accepted).size, accepted.length, "no round is handed in twice");
    }
    const mean = Math.fround(VALUES.reduce((sum, value) => sum + value, 0) / VALUES.length);
    const model = (await people[0]?.model())?.parameters ?? new Float32Array(0);
    t.equal(
      model.findIndex((value) => value !== Math.fround(2 * mean)),
      -1,
      "the model is the exact sum of two rounds",
    );
  });

  t.test(`${name}: who has nothing to do comes back in the window that it is told`, async (t) => {
    const place = await serve(t, { ...PLAN, cohort: { target: 5, minimum: 5, overSelection: 1 } }, temporaryFolder(t));
    const transport = kind.open(kind.port(place));
    t.teardown(() => transport.close());
    const waited: number[] = [];
    const clock: Clock = {
      now: () => Date.now(),
      wait: (ms, signal) => {
        waited.push(ms);
        return briskClock.wait(ms, signal);
      },
    };
    const person = await join(transport, 1, { clock });
    const windows: { readonly afterMs: number; readonly beforeMs: number }[] = [];
    for await (const event of person.run()) {
      if (event.type === "waiting") windows.push(event);
      if (windows.length === 12) break;
    }
    const [named = { afterMs: 0, beforeMs: 0 }] = windows;
    t.ok(named.beforeMs > named.afterMs, "a window, not an instant");
    t.ok(named.beforeMs <= 20_000, "which the coordinator names, as long as the device does not listen");
    const [listening] = windows.filter(({ afterMs }) => afterMs >= 60_000);
    t.ok(listening, "who listens comes by itself only now and then");
    const isDrawn = (ms: number): boolean => windows.some((one) => ms >= one.afterMs && ms <= one.beforeMs);
    const drawn = waited.filter(isDrawn);
    t.ok(drawn.length >= 10, `${drawn.length} of ${waited.length} waits are in a window`);
    // Twelve draws that all agree to the millisecond: less than one in 10³⁰ runs, for windows of a second or more.
    t.ok(new Set(drawn.map(Math.round)).size > 1, "at a moment that is drawn at random");
  });

  t.test(`${name}: failures have their code`, async (t) => {
    const place = await serve(t, PLAN, temporaryFolder(t));
    const transport = kind.open(kind.port(place));
    t.teardown(() => transport.close());
    const refused = { code: "REMOTE", remoteCode: "UNKNOWN_POPULATION" };
    await t.rejects(join(transport, 1, { population: "nobody" }), refused);
    await t.rejects(join(transport, 1, { signal: AbortSignal.abort() }), { code: "ABORTED" });
    // A server that takes connections and says nothing.
    const heard = new Set<Socket>();
    const silent = createServer((socket) => heard.add(socket.on("error", () => {}).resume()));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const at = silent.address();
    const port = typeof at === "object" && at !== null ? at.port : 0;
    t.teardown(() => {
      silent.close();
      for (const socket of heard) socket.destroy();
    });
    const unheard = kind.open(`127.0.0.1:${port}`);
    const retry = { attempts: 1 };
    await t.rejects(join(unheard, 1, { retry, timeoutMs: 50 }), { code: "DEADLINE" });
    const leaving = new AbortController();
    const pending = join(unheard, 1, { retry, signal: leaving.signal });
    leaving.abort();
    await t.rejects(pending, { code: "ABORTED" });
    await unheard.close();
    const nowhere = kind.open("127.0.0.1:1");
    await t.rejects(join(nowhere, 1, { retry }), { code: "UNAVAILABLE" });
    await nowhere.close();
  });
}

/** Resolves when it holds; looked at once in each turn of the event loop. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
