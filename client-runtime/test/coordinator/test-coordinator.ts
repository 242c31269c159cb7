// A coordinator in this process, over real gRPC: honest unless a test makes it lie.
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  admitEntry,
  ConsentView,
  decodeBase64Url,
  encodeBase64Url,
  expectedKey,
  isConsentEntry,
  parseEntry,
  type RoundClose,
  sha256Text,
  verifyEntrySignature,
} from "@fedloop/consent";
import { type NodeSigner, nodeVerifier } from "@fedloop/consent/node";
import {
  Artifacts,
  CHUNK_BYTES,
  Consent,
  Enrollment,
  GetArtifactRequestSchema,
  methodPath,
  Rounds,
  Transparency,
} from "@fedloop/proto";
import { receivedBytes, serviceDefinition } from "@fedloop/proto/grpc";
import {
  type handleUnaryCall,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { type Device, KnownDevices } from "./known-devices.js";
import type { Lies } from "./lies.js";
import { modelFile } from "./models.js";
import { POPULATION, PURPOSE, type TestRound } from "./plans.js";
import { ReleasedModels } from "./released-models.js";
import { TestLog } from "./test-log.js";
import { TestRounds } from "./test-rounds.js";
import { TestUploads } from "./test-uploads.js";
import { failureOf, Told } from "./told.js";

export const NOTICE: Uint8Array = new TextEncoder().encode("We train a model on your ratings. They stay with you.");

export type { Lies } from "./lies.js";

export interface TestCoordinatorOptions {
  readonly clock?: { now(): number };
  readonly rounds?: readonly TestRound[];
  /** Devices in a round's cohort. */
  readonly target?: number;
  readonly parameters?: Float32Array;
  readonly purposes?: readonly string[];
  readonly limits?: { epsilon: string; delta: string };
}

export class TestCoordinator {
  readonly log: TestLog = new TestLog();
  readonly lies: Lies = {};
  readonly calls: string[] = [];
  readonly view: ConsentView = new ConsentView();
  /** What apps are given. */
  readonly released: ReleasedModels = new ReleasedModels(this.log, this.view);
  /** What rounds begin with. */
  model: Uint8Array;
  address = "";
  policy = 1;
  readonly #options: TestCoordinatorOptions;
  readonly #verifier = nodeVerifier();
  readonly #devices = new KnownDevices(this.#verifier, () => this.#now());
  readonly #uploads = new TestUploads();
  readonly #rounds: TestRounds;
  #callers: (() => void)[] = [];
  #server: Server;
  #offsetMs = 0;

  constructor(options: TestCoordinatorOptions = {}) {
    this.#options = options;
    this.#rounds = new TestRounds({
      log: this.log,
      view: this.view,
      lies: this.lies,
      uploads: this.#uploads,
      rounds: options.rounds ?? [],
      target: options.target ?? 1,
      cap: options.limits?.epsilon ?? "8",
      now: () => ({ policy: this.policy, model: this.model }),
    });
    this.model = modelFile(options.parameters ?? new Float32Array(4));
    this.#server = this.#build();
  }

  static async start(options: TestCoordinatorOptions = {}): Promise<TestCoordinator> {
    const coordinator = new TestCoordinator(options);
    await coordinator.publishPolicy();
    await coordinator.#listen(0);
    return coordinator;
  }

  /** Stops answering; `resume` opens the same port again. Cohorts are forgotten, as in a process that was killed. */
  async crash(): Promise<void> {
    this.#server.forceShutdown();
    this.#uploads.clear();
    this.#rounds.forget();
  }

  async resume(): Promise<void> {
    this.#server = this.#build();
    await this.#listen(Number(this.address.split(":")[1]));
  }

  async close(): Promise<void> {
    this.#server.forceShutdown();
  }

  /** How far the coordinator's clock is ahead of its `clock`. */
  set clockOffsetMs(offset: number) {
    this.#offsetMs = offset;
  }

  expireSessions(): void {
    this.#devices.expireSessions();
  }

  /** Adds rounds to those still to come. */
  plan(...rounds: TestRound[]): void {
    this.#rounds.plan(...rounds);
  }

  abandon(reason = "OPERATOR_STOPPED"): Promise<void> {
    return this.#rounds.end("abandoned", reason);
  }

  /** Lets the log grow by so many entries that say nothing. */
  async crowd(entries: number): Promise<void> {
    for (let i = 0; i < entries; i++) {
      const { index, entry } = await this.log.publish("heartbeat", {});
      this.view.apply(index, entry);
    }
  }

  /** Places that devices gave back. */
  get left(): TestRounds["left"] {
    return this.#rounds.left;
  }

  /** The updates of each round, by subject. */
  get updates(): TestRounds["updates"] {
    return this.#rounds.updates;
  }

  async publishPolicy(): Promise<void> {
    const { index, entry } = await this.log.publish("policy.publish", {
      policy: this.policy,
      population: POPULATION,
      controller: "Test University",
      notice: sha256Text(NOTICE),
      noticeUri: "https://test.example/notice",
      language: "en",
      purposes: this.#options.purposes ?? [PURPOSE],
      limits: this.#options.limits ?? { epsilon: "8", delta: "0.00001" },
      unit: "participant",
      adjacency: "add-or-remove-one",
      accountant: "rdp",
      accountantVersion: "1",
      operatorKey: encodeBase64Url(this.log.operator.publicKey),
    });
    this.view.apply(index, entry);
  }

  #now(): number {
    return (this.#options.clock?.now() ?? Date.now()) + this.#offsetMs;
  }

  async #listen(port: number): Promise<void> {
    const bound = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
        error === null ? resolve(at) : reject(error),
      );
    });
    this.address = `127.0.0.1:${bound}`;
  }

  #note(name: string): void {
    this.calls.push(name);
    for (const wake of this.#callers.splice(0)) wake();
  }

  #unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    handler: (request: MessageShape<I>, device: Device) => Promise<MessageInitShape<O>> | MessageInitShape<O>,
  ): handleUnaryCall<MessageShape<I>, MessageShape<O>> {
    return this.#answer(method, (request, metadata) =>
      handler(request, this.#devices.authenticate(method, request, metadata)),
    );
  }

  /** A call that needs no session, or checks its caller by itself. */
  #answer<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    handler: (request: MessageShape<I>, metadata: Metadata) => Promise<MessageInitShape<O>> | MessageInitShape<O>,
  ): handleUnaryCall<MessageShape<I>, MessageShape<O>> {
    return (call, callback) => {
      const answer = async (): Promise<MessageShape<O>> => {
        this.#note(method.name);
        this.lies.beforeCall?.(methodPath(method), call.request);
        return create(method.output, await handler(call.request, call.metadata));
      };
      answer().then(
        (message) => callback(null, message),
        (cause) => callback(failureOf(cause, this.#now())),
      );
    };
  }

  #build(): Server {
    const server = new Server({ "grpc.max_receive_message_length": 2 << 20 });
    const { enroll, leave: leavePopulation, rotateKey } = Enrollment.method;
    server.addService(serviceDefinition(Enrollment), {
      enroll: this.#answer(enroll, (request) => this.#enroll(request)),
      leave: this.#unary(leavePopulation, (_request, device) => {
        this.#devices.forget(device);
        return {};
      }),
      rotateKey: this.#unary(rotateKey, () => ({})),
    });
    const { getNotice, recordConsent, getConsent } = Consent.method;
    server.addService(serviceDefinition(Consent), {
      getNotice: this.#answer(getNotice, () => this.#notice()),
      recordConsent: this.#unary(recordConsent, ({ entry, knownTreeSize }) =>
        this.#record(entry, Number(knownTreeSize ?? 0n)),
      ),
      getConsent: this.#unary(getConsent, ({ purpose }, device) => this.#consent(device, purpose)),
    });
    const { checkIn, submitMasked, leave } = Rounds.method;
    server.addService(serviceDefinition(Rounds), {
      checkIn: this.#unary(checkIn, (request, device) => this.#rounds.checkIn(request, device)),
      submitMasked: this.#unary(submitMasked, (request, device) => this.#rounds.submit(request, device)),
      leave: this.#unary(leave, ({ round, reason }, device) => this.#rounds.leave(Number(round), reason, device)),
      watch: this.#stream(Rounds.method.watch, (call) => this.#rounds.watch(call)),
    });
    server.addService(serviceDefinition(Artifacts), {
      getArtifact: this.#stream(Artifacts.method.getArtifact, (call) => this.#artifact(call)),
      uploadChunk: this.#unary(Artifacts.method.uploadChunk, (request, device) =>
        this.#uploads.take(device.id, request),
      ),
      getModel: this.#unary(Artifacts.method.getModel, () => this.#released()),
    });
    const { getCheckpoint, getInclusionProof, getConsistencyProof } = Transparency.method;
    server.addService(serviceDefinition(Transparency), {
      getCheckpoint: this.#answer(getCheckpoint, async () => ({ checkpoint: await this.log.checkpoint() })),
      getInclusionProof: this.#answer(getInclusionProof, async ({ index, closedPlan }) => ({
        receipt: await (closedPlan.length > 0 ? this.#rounds.closeOf(closedPlan) : this.log.receipt(Number(index))),
      })),
      getConsistencyProof: this.#answer(getConsistencyProof, async ({ oldSize, newSize }) => {
        if (newSize > BigInt(this.log.tree.size)) throw new Told("OUT_OF_RANGE");
        return {
          proof: this.log.consistency(Number(oldSize), Number(newSize)),
          checkpoint: await this.log.checkpoint(Number(newSize)),
        };
      }),
    });
    return server;
  }

  #stream(method: DescMethod, serve: (call: ServerWritableStream<Message, Message>) => void) {
    return (call: ServerWritableStream<Message, Message>): void => {
      try {
        this.#note(method.name);
        this.lies.beforeCall?.(methodPath(method), call.request);
        this.#devices.authenticate(method, call.request, call.metadata);
        serve(call);
      } catch (cause) {
        call.emit("error", failureOf(cause, this.#now()));
      }
    };
  }

  #enroll(request: Parameters<KnownDevices["enroll"]>[0]) {
    return {
      ...this.#devices.enroll(request),
      log: { origin: this.log.origin, verifierKey: this.log.verifierKey },
      serverTimeMs: BigInt(this.#now()),
    };
  }

  async #notice() {
    const index = this.view.policy(POPULATION)?.index ?? 0;
    return { notice: this.lies.notice ?? NOTICE, mediaType: "text/plain", policy: await this.log.receipt(index) };
  }

  async #record(bytes: Uint8Array, known: number) {
    const recorded = await this.#recorded(bytes);
    const { size } = this.log.tree;
    const proof = known > 0 && known <= size ? { consistency: this.log.consistency(known, size) } : {};
    return { ...recorded, ...(this.lies.consistency?.(proof) ?? proof) };
  }

  async #recorded(bytes: Uint8Array) {
    const known = this.log.entries.findIndex((entry) => Buffer.from(entry).equals(bytes));
    if (known >= 0) return { receipt: await this.log.receipt(known) };
    const entry = parseEntry(bytes);
    admitEntry(this.view, entry);
    const key = decodeBase64Url(expectedKey(this.view, entry));
    if (!(await verifyEntrySignature(entry, key, this.#verifier))) throw new Told("BAD_SIGNATURE");
    const index = this.log.append(bytes);
    this.view.apply(index, entry);
    return { receipt: await this.log.receipt(index) };
  }

  async #consent(device: Device, purpose: string) {
    const actor = this.view.actor(device.subject);
    const { index } = this.view.status(device.subject, purpose);
    return {
      ...(index >= 0 ? { latest: await this.log.receipt(index) } : {}),
      nextActorSequence: BigInt(actor?.nextSequence ?? 0),
      previousLeafHash: actor === undefined ? new Uint8Array(0) : decodeBase64Url(actor.leafHash),
    };
  }

  /** Closes a round of its own with `model` as what it released. */
  async release(
    model: Uint8Array,
    changes: Partial<RoundClose> = {},
    signer?: NodeSigner,
    stage: "candidate" | "live" = "live",
  ): Promise<void> {
    this.model = model;
    const round = this.#rounds.takeNumber();
    await this.released.release(round, model, changes, signer);
    if (stage === "live") await this.released.stage(round, stage);
  }

  /** Loses a part of every upload, as a coordinator may. */
  dropChunk(offset: number): void {
    this.#uploads.drop(offset);
  }

  async #released() {
    const answer = await this.released.answer();
    return this.lies.released?.(answer) ?? answer;
  }

  #artifact(call: ServerWritableStream<Message, Message>): void {
    const { offset: from, sha256 } = fromBinary(GetArtifactRequestSchema, receivedBytes(call.request));
    const file = this.released.file(sha256) ?? this.model;
    const bytes = this.lies.artifact?.(file) ?? file;
    try {
      for (let offset = Number(from); offset < bytes.length; offset += CHUNK_BYTES) {
        this.lies.beforeChunk?.(offset);
        const data = bytes.subarray(offset, offset + CHUNK_BYTES);
        const chunk = { offset: BigInt(offset), data, totalBytes: BigInt(bytes.length) };
        call.write(create(Artifacts.method.getArtifact.output, chunk));
      }
      call.end();
    } catch (cause) {
      call.emit("error", failureOf(cause, this.#now()));
    }
  }

  /** An error as this coordinator tells it. */
  told(code: string): Told {
    return new Told(code);
  }

  /** Resolves when a method has been called, `times` times in all. */
  async called(name: string, times = 1): Promise<void> {
    while (this.calls.filter((call) => call === name).length < times) {
      await new Promise<void>((resolve) => this.#callers.push(resolve));
    }
    // The call is answered in this turn of the event loop or the next.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Whether a subject's consent to the purpose stands in the log. */
  permits(subject: string): boolean {
    return this.view.permits(subject, PURPOSE);
  }

  /** The consent entries in the log, in order. */
  consents(): string[] {
    return this.log.entries
      .map(parseEntry)
      .filter(isConsentEntry)
      .map(({ type }) => type);
  }
}
