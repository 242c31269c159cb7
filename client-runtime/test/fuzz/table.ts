/** What a device reads: its own store, which others may have written to, and what comes from a coordinator or a page. */
import { buildEntry, encodeBase64Url, leafHash, noteSigner, parseEntry, signCheckpoint } from "@fedloop/consent";
import { nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import {
  Broken,
  below,
  type Draw,
  type Fuzzed,
  fixed,
  mutateBytes,
  mutateJson,
  mutateText,
  one,
  same,
  utf8,
} from "@fedloop/fuzz";
import { decimalDpEvent } from "@fedloop/privacy";
import { encodeMessage, GetCheckpointResponseSchema, messageOf, Rounds, Transparency } from "@fedloop/proto";
import { parseTopology } from "../../src/engine/model/topology.js";
import { compilePlan } from "../../src/engine/plan/compile.js";
import { ClientError } from "../../src/errors.js";
import { spentEpsilon } from "../../src/guard/budget.js";
import { openReceipt } from "../../src/guard/receipt.js";
import { type DeviceState, loadState, StateKeeper } from "../../src/identity/device-state.js";
import { TrainingGate } from "../../src/scheduling/training-gate.js";
import { memoryStore } from "../../src/store/memory.js";
import { generateSealingKey, seal, unseal } from "../../src/store/sealed.js";
import { connectTransport } from "../../src/transport/connect.js";
import { enveloped, STREAM_TYPE, UNARY_TYPE } from "../../src/transport/connect-protocol.js";
import { serveParticipant, WorkerParticipant, type WorkerPort } from "../../src/worker/index.js";

const isClient = (cause: unknown): boolean => cause instanceof ClientError;

const signer = nodeSigner(fixed(32, 1));
const verifier = nodeVerifier();
const ORIGIN = "coordinator.example.org/lecturers";
const log = { origin: ORIGIN, verifierKey: noteSigner(ORIGIN, signer).vkey };
const text32 = encodeBase64Url(fixed(32, 3));

const STATE: DeviceState = {
  v: 1,
  population: "lecturers",
  publicKey: text32,
  session: { deviceId: "d", session: "s" },
  subject: encodeBase64Url(fixed(16, 2)),
  log,
  policy: {
    version: 1,
    purposes: ["recommendations"],
    controller: "Example University",
    notice: { uri: "sha256:x", sha256: text32, language: "en" },
    limits: { epsilon: "8", delta: "0.00001" },
    operatorKey: text32,
  },
  checkpoint: { size: 5, root: text32, note: "note" },
  chain: { next: 2, previous: text32 },
  consents: {
    recommendations: {
      state: "given",
      policy: 1,
      index: 3,
      leafHash: text32,
      validUntil: null,
      limits: { epsilon: "3.5", delta: null, rounds: 4 },
      entry: "AAAA",
    },
  },
  lastRound: 2,
  charges: [
    {
      round: 2,
      planIndex: 4,
      plan: text32,
      event: JSON.stringify(decimalDpEvent({ type: "Gaussian", noiseMultiplier: 1.5 })),
      settled: true,
    },
  ],
  receipts: [
    { type: "round", purpose: "recommendations", round: 2, index: 4, leafHash: text32, timeMs: 1_700_000_000_000 },
  ],
};

function kept(): Fuzzed[] {
  const text = JSON.stringify(STATE);
  const activity = JSON.stringify([{ startedMs: 900, trainingMs: 5 }]);
  const make = (seed: string) => (draw: Draw) =>
    draw() < 0.7 ? utf8(mutateJson([seed], draw)) : mutateBytes([utf8(seed)], draw);
  return [
    {
      name: "loadState",
      inputs: 3_000,
      make: make(text),
      valid: [utf8(text)],
      isRefusal: isClient,
      decode: async (bytes: Uint8Array) => {
        const store = memoryStore();
        await store.put("lecturers/state", bytes);
        const state = await loadState(store, "lecturers");
        if (state === undefined) throw new Broken("nothing was kept");
        const other = memoryStore();
        await new StateKeeper(other, { ...state, population: "lecturers" }).change({});
        same(await loadState(other, "lecturers"), { ...state, population: "lecturers" });
        spentEpsilon(state.charges, 1e-5);
        return state;
      },
    },
    {
      name: "TrainingGate's day",
      inputs: 2_400,
      make: make(activity),
      valid: [utf8(activity)],
      isRefusal: isClient,
      neverRefuses: true,
      decode: async (bytes: Uint8Array) => {
        const store = memoryStore();
        await store.put("lecturers/activity", bytes);
        const conditions = { current: () => ({}), listen: () => () => undefined };
        const wait = (): Promise<void> => Promise.reject(new ClientError("ABORTED", "no test waits"));
        const clock = { now: () => 1_000, wait };
        const gate = new TrainingGate({ population: "lecturers", conditions, limits: {}, store, clock });
        await gate.opened(() => undefined, new AbortController().signal);
      },
    },
  ];
}

async function sealed(): Promise<Fuzzed> {
  const key = await generateSealingKey();
  const value = await seal(key, "lecturers/state", fixed(40, 5));
  return {
    name: "unseal",
    inputs: 3_000,
    make: (draw) => ({ bytes: mutateBytes([value], draw), name: draw() < 0.9 ? "lecturers/state" : "other" }),
    valid: [{ bytes: value, name: "lecturers/state" }],
    isRefusal: isClient,
    decode: async ({ bytes, name }: { bytes: Uint8Array; name: string }) =>
      same([...(await unseal(key, name, bytes))], [...fixed(40, 5)]),
  };
}

async function receipts(): Promise<Fuzzed> {
  const head = { log: ORIGIN, id: encodeBase64Url(fixed(16, 4)), ts: 1_700_000_000_000, actor: "coordinator" };
  const entry = await buildEntry({ ...head, aseq: 0, aprev: null, type: "heartbeat", body: {} }, signer);
  const root = leafHash(entry);
  const checkpoint = await signCheckpoint({ origin: ORIGIN, size: 1, root }, noteSigner(ORIGIN, signer));
  return {
    name: "openReceipt",
    inputs: 2_400,
    make: (draw) => ({
      entry: draw() < 0.5 ? entry : mutateBytes([entry], draw),
      checkpoint: draw() < 0.3 ? checkpoint : mutateText([checkpoint], draw),
      index: BigInt(one(draw, [0, 0, 0, 1, 2 ** 53, 5])),
      inclusionPath: Array.from({ length: draw() < 0.7 ? 0 : below(draw, 3) }, () => fixed(one(draw, [0, 31, 32]), 1)),
    }),
    valid: [{ entry, checkpoint, index: 0n, inclusionPath: [] }],
    isRefusal: isClient,
    decode: (receipt: never) => openReceipt(receipt, log, verifier, parseEntry),
  };
}

/** Answers over Connect, from a network that may say anything. */
function answers(): Fuzzed[] {
  const message = messageOf(GetCheckpointResponseSchema, { checkpoint: "a note" });
  const bytes = encodeMessage(GetCheckpointResponseSchema, message);
  const detail = { type: "fedloop.v1.ErrorDetail", value: "CgROT1BFEgR0ZXh0" };
  const error = JSON.stringify({ code: "aborted", message: "x", details: [detail] });
  const end = (json: string): Uint8Array => {
    const envelope = enveloped(utf8(json));
    envelope[0] = 2;
    return envelope;
  };
  const stream = Buffer.concat([enveloped(bytes), enveloped(bytes), end("{}")]);
  const failed = Buffer.concat([enveloped(bytes), end(`{"error":${error}}`)]);
  interface Answer {
    readonly body: Uint8Array;
    readonly type: string;
    readonly status: number;
  }
  const transportOf = ({ body, type, status }: Answer) =>
    connectTransport({
      baseUrl: "https://coordinator.example.org",
      fetch: async () => new Response(new Uint8Array(body), { status, headers: { "content-type": type } }),
    });
  const other = (draw: Draw, type: string): string =>
    draw() < 0.9 ? type : one(draw, ["text/html", "", "application/json; x", "a".repeat(300)]);
  const call = { metadata: {}, body: new Uint8Array(0) };
  return [
    {
      name: "Connect's unary answer",
      inputs: 1_400,
      make: (draw): Answer =>
        draw() < 0.6
          ? { body: mutateBytes([bytes], draw), type: other(draw, UNARY_TYPE), status: 200 }
          : {
              body: utf8(mutateJson([error], draw)),
              type: other(draw, "application/json"),
              status: one(draw, [400, 401, 404, 429, 500, 503]),
            },
      valid: [{ body: bytes, type: UNARY_TYPE, status: 200 }],
      isRefusal: isClient,
      decode: (answer: Answer) =>
        transportOf(answer).unary(
          Transparency.method.getCheckpoint,
          messageOf(Transparency.method.getCheckpoint.input, {}),
          call,
        ),
    },
    {
      name: "Connect's stream",
      inputs: 1_400,
      make: (draw): Answer => ({
        body:
          draw() < 0.6
            ? mutateBytes([stream, failed], draw)
            : Buffer.concat([enveloped(bytes), end(mutateJson([`{"error":${error}}`], draw))]),
        type: other(draw, STREAM_TYPE),
        status: one(draw, [200, 200, 200, 500]),
      }),
      valid: [{ body: stream, type: STREAM_TYPE, status: 200 }],
      isRefusal: isClient,
      decode: async (answer: Answer) => {
        const request = messageOf(Rounds.method.watch.input, {});
        for await (const _ of transportOf(answer).serverStream(Rounds.method.watch, request, call));
      },
    },
  ];
}

/** A port whose other end is the test. */
class TestPort implements WorkerPort {
  readonly posted: unknown[] = [];
  readonly #listeners: ((event: Event) => void)[] = [];

  postMessage(message: unknown): void {
    this.posted.push(message);
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    if (type === "message") this.#listeners.push(listener);
  }

  say(data: unknown): void {
    for (const listener of this.#listeners) listener(new MessageEvent("message", { data }));
  }
}

/** What else may come through a port than messages of the two ends. */
function ports(): Fuzzed[] {
  const error = { code: "WORKER", message: "x", retryAfterMs: 0 };
  const view = { subject: "s", consents: {}, log: { origin: "o", verifierKey: "k" } };
  const toWorker = [
    { type: "call", id: 1, method: "join", arguments: [{}] },
    { type: "call", id: 2, method: "budget", arguments: [0.5] },
    { type: "call", id: 3, method: "close", arguments: [] },
    { type: "abort", id: 1 },
    { type: "decided", id: 1, decision: true },
    { type: "undecided", id: 1, error },
    { type: "conditions", conditions: { inUse: true } },
  ].map((message) => JSON.stringify(message));
  const fromWorker = [
    { type: "done", id: 1, value: null, view },
    { type: "failed", id: 1, error, view: null },
    { type: "event", id: 1, event: { type: "waiting" }, view },
    { type: "ask", id: 1, notice: {}, purpose: "p" },
  ].map((message) => JSON.stringify(message));
  const parsed = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  const callOf = (message: unknown): unknown =>
    typeof message === "object" && message !== null && "type" in message && message.type === "call" && "id" in message
      ? message.id
      : undefined;
  return [
    {
      name: "messages to a worker",
      inputs: 3_600,
      neverRefuses: true,
      make: (draw) => parsed(mutateJson(toWorker, draw)),
      valid: toWorker.map(parsed),
      isRefusal: () => false,
      decode: async (message: unknown) => {
        const port = new TestPort();
        const open = (): never => {
          throw new ClientError("BAD_OPTION", "no participant in this test");
        };
        serveParticipant(port, open);
        port.say(message);
        await new Promise(setImmediate);
        const id = callOf(message);
        const isAnswered = port.posted.some((answer) => JSON.stringify(answer).includes(`"id":${JSON.stringify(id)}`));
        if (id !== undefined && !isAnswered) throw new Broken("a call was not answered");
      },
    },
    {
      name: "messages from a worker",
      inputs: 3_600,
      make: (draw) => parsed(mutateJson(fromWorker, draw)),
      valid: [parsed(fromWorker[0] ?? "")],
      isRefusal: isClient,
      decode: async (message: unknown) => {
        const port = new TestPort();
        const stop = new AbortController();
        const joined = WorkerParticipant.join({ worker: port, decide: () => true, signal: stop.signal });
        port.say(message);
        // Whatever was said before: the end comes as it should.
        port.say({ type: "done", id: 1, value: null, view });
        await joined;
      },
    },
  ];
}

function models(): Fuzzed[] {
  const layer = (name: string, units: number, more: object = {}) => ({
    class_name: "Dense",
    config: { name, units, use_bias: true, activation: "relu", ...more },
  });
  const sequential = {
    class_name: "Sequential",
    config: { name: "m", layers: [layer("a", 3, { batch_input_shape: [null, 4] }), layer("b", 2)] },
  };
  const functional = {
    class_name: "Model",
    config: {
      name: "m",
      layers: [
        {
          name: "in",
          class_name: "InputLayer",
          config: { name: "in", batch_input_shape: [null, 4] },
          inbound_nodes: [],
        },
        { name: "a", ...layer("a", 3), inbound_nodes: [[["in", 0, 0, {}]]] },
      ],
      input_layers: [["in", 0, 0]],
      output_layers: [["a", 0, 0]],
    },
  };
  const topologies = [sequential, functional].map((model) => JSON.stringify(model));
  return [
    {
      name: "compilePlan of parseTopology",
      inputs: 4_800,
      make: (draw) => mutateJson(topologies, draw),
      valid: topologies,
      isRefusal: isClient,
      decode: (json: string) => void compilePlan(parseTopology(json), 1, 0),
    },
  ];
}

export async function decoders(): Promise<Fuzzed[]> {
  return [...kept(), await sealed(), await receipts(), ...answers(), ...ports(), ...models()];
}
