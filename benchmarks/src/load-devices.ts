/** A process of the load benchmark: thousands of devices that come, take part, leave or fall silent, and return. */
import { setTimeout as pause } from "node:timers/promises";
import { type DeviceStore, memoryStore, Participant, type Trainer, type Transport } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { nodeSha256 } from "@fedloop/client-runtime/node";
import { generateNodeSigner, type NodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { askedToReturnAfterMs, codeOf, type DeviceEvents, LightDevice } from "./light-device.js";
import type { LoadReport, LoadSettings } from "./load-messages.js";

/** Devices that share a connection, as people behind one gateway do. */
const DEVICES_A_CONNECTION = 100;
/** Devices that enroll at the same time. */
const ENROLLING = 64;
const REPORT_MS = 1_000;
/** How long a device that only speaks the protocol seems to train, at most. */
const TRAIN_MS = 10_000;
/** How many check-ins a report lists at most: a share of them, drawn evenly, where there are more. */
const LISTED = 2_000;

const trivial: Trainer = {
  id: "trivial",
  async train({ updateLength }) {
    return { update: new Float32Array(updateLength).fill(1e-4) };
  },
  async evaluate({ updateLength }) {
    return new Float32Array(updateLength);
  },
};

const verifier = nodeVerifier();
const random = aesCtrRandom();
const secureAggregation = nodeDeviceCrypto({ random, verifier });

/** Reproducible numbers from 0 to 1 (mulberry32): who comes and goes is no secret. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Tally {
  checkInMs: number[] = [];
  online = 0;
  entered = 0;
  /** Devices that have been answered at least once after they entered. */
  seen = 0;
  returned = 0;
  left = 0;
  vanished = 0;
  accepted = 0;
  failures: Record<string, number> = {};

  fail(code: string): void {
    this.failures[code] = (this.failures[code] ?? 0) + 1;
  }

  take(): LoadReport {
    const { online, entered, seen, returned, left, vanished, accepted, failures } = this;
    const step = Math.max(Math.ceil(this.checkInMs.length / LISTED), 1);
    const checkInMs = this.checkInMs.filter((_, index) => index % step === 0);
    this.checkInMs = [];
    this.failures = {};
    this.entered = this.seen = this.returned = this.left = this.vanished = this.accepted = 0;
    return { type: "report", checkInMs, online, entered, seen, returned, left, vanished, accepted, failures };
  }
}

const tally = new Tally();

/** A network that can go away: what is under way is cut, what comes later fails, and nothing more is said. */
class Cuttable implements Transport {
  readonly #inner: Transport;
  readonly #gone = new AbortController();
  readonly #onCheckIn: () => void;

  constructor(inner: Transport, onCheckIn: () => void) {
    this.#inner = inner;
    this.#onCheckIn = onCheckIn;
  }

  cut(): void {
    this.#gone.abort();
  }

  async unary(...[method, request, options]: Parameters<Transport["unary"]>): Promise<never> {
    const started = performance.now();
    const answer = await this.#inner.unary(method, request, { ...options, signal: this.#until(options.signal) });
    if (method.name === "CheckIn") {
      tally.checkInMs.push(performance.now() - started);
      this.#onCheckIn();
    }
    return answer as never;
  }

  async *serverStream(...[method, request, options]: Parameters<Transport["serverStream"]>): AsyncGenerator<never> {
    const signal = this.#until(options.signal);
    for await (const item of this.#inner.serverStream(method, request, { ...options, signal })) yield item as never;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #until(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#gone.signal : AbortSignal.any([signal, this.#gone.signal]);
  }
}

/** A device that verifies all that it is told, as apps run it: those under secure aggregation. */
class WholeDevice {
  readonly #store: DeviceStore = memoryStore();
  readonly #signer: NodeSigner = generateNodeSigner();
  readonly population: string;

  constructor(population: string) {
    this.population = population;
  }

  async enter(transport: Transport): Promise<void> {
    await this.#join(transport);
  }

  /** Someone else, in the place of one who did not come in. */
  another(): WholeDevice {
    return new WholeDevice(this.population);
  }

  async stay(
    transport: Transport,
    signal: AbortSignal,
    _inSilence: () => boolean,
    { accepted, refused }: DeviceEvents,
  ): Promise<void> {
    const participant = await this.#join(transport);
    for await (const event of participant.run({ signal })) {
      if (event.type === "accepted") accepted();
      if (event.type === "refused") refused(event.code);
    }
  }

  #join(transport: Transport): Promise<Participant> {
    return Participant.join({
      population: this.population,
      transport,
      store: this.#store,
      signer: this.#signer,
      verifier,
      sha256: nodeSha256,
      random,
      secureAggregation,
      trainer: trivial,
      floors: {
        allowNoNoise: true,
        requireSecureAggregation: true,
        minimumCohort: 1,
        minimumNoiseMultiplier: 0,
        maximumEpsilon: 1e6,
        maximumEpsilonPerRound: 1e6,
      },
      consent: {
        purposes: ["load"],
        decide: () => true,
        dataCategories: ["none"],
        storage: "memory",
        retention: "until the process ends",
        jurisdiction: "CH",
        withdrawal: "end the process",
        interface: "benchmark",
      },
    });
  }
}

interface Device {
  readonly connection: Transport;
  readonly self: LightDevice | WholeDevice;
  isSeen: boolean;
}

/** One stay: it ends in words or in silence, both at any moment of a round. */
async function stay(device: Device, stayMs: number, inSilence: boolean): Promise<void> {
  const transport = new Cuttable(device.connection, () => {
    if (!device.isSeen) tally.seen += 1;
    device.isSeen = true;
  });
  const ending = new AbortController();
  const timer = setTimeout(() => {
    if (inSilence) transport.cut();
    ending.abort();
  }, stayMs);
  tally.online += 1;
  try {
    await device.self.stay(transport, ending.signal, () => inSilence, {
      accepted: () => {
        tally.accepted += 1;
      },
      refused: (code) => tally.fail(code),
    });
    // A stream that the coordinator ended: look for it a little later.
    if (!ending.signal.aborted) await pause(1_000);
  } catch (cause) {
    if (!ending.signal.aborted) tally.fail(codeOf(cause));
  } finally {
    clearTimeout(timer);
    tally.online -= 1;
    if (inSilence) tally.vanished += 1;
    else tally.left += 1;
  }
}

async function live(device: Device, settings: LoadSettings, draw: () => number): Promise<never> {
  const duration = (): number => -Math.log(1 - draw()) * settings.meanStayMs;
  for (;;) {
    await stay(device, duration(), draw() < 0.5);
    await pause(duration());
    tally.returned += 1;
  }
}

/** A device that has come in; where it could not, someone else in its place, later. */
async function entered({ connection, self }: Device, draw: () => number): Promise<Device> {
  for (let who = self; ; who = who.another()) {
    try {
      await who.enter(connection);
      tally.entered += 1;
      return { connection, self: who, isSeen: false };
    } catch (cause) {
      tally.fail(codeOf(cause));
      await pause((askedToReturnAfterMs(cause) ?? 1_000) * (1 + draw() / 2));
    }
  }
}

async function run(settings: LoadSettings): Promise<void> {
  const draw = numbers(settings.seed);
  const devices: Device[] = [];
  for (const { population, count, secure } of settings.devices) {
    for (let i = 0; i < count; i += DEVICES_A_CONNECTION) {
      const connection = grpcTransport({ address: settings.address });
      const here = Math.min(DEVICES_A_CONNECTION, count - i);
      for (let j = 0; j < here; j++) {
        const self = secure ? new WholeDevice(population) : new LightDevice(population, draw, TRAIN_MS);
        devices.push({ connection, self, isSeen: false });
      }
    }
  }
  let next = 0;
  const enter = async (): Promise<void> => {
    for (let device = devices[next++]; device !== undefined; device = devices[next++]) {
      void live(await entered(device, draw), settings, draw);
    }
  };
  setInterval(() => process.send?.(tally.take()), REPORT_MS);
  await Promise.all(Array.from({ length: ENROLLING }, enter));
}

process.on("disconnect", () => process.exit(0));
process.on("SIGINT", () => undefined);
process.once("message", (settings: LoadSettings) => void run(settings));
