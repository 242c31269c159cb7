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
  entryLeafHash,
  expectedKey,
  isConsentEntry,
  joinMessage,
  parseEntry,
  type RoundClose,
  type RoundPlan,
  sha256Text,
  verifyEntrySignature,
} from "@fedloop/consent";
import { type NodeSigner, nodeVerifier } from "@fedloop/consent/node";
import {
  Artifacts,
  CHUNK_BYTES,
  type CheckInRequest,
  Consent,
  Enrollment,
  GetArtifactRequestSchema,
  methodPath,
  RoundState,
  Rounds,
  Transparency,
  WaitReason,
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
import type { Lies, OfferMessage } from "./lies.js";
import { modelFile } from "./models.js";
import { POPULATION, PURPOSE, planOf, type TestRound } from "./plans.js";
import { ReleasedModels } from "./released-models.js";
import { TestLog } from "./test-log.js";
import { TestUploads } from "./test-uploads.js";
import { failureOf, Told } from "./told.js";

export const NOTICE: Uint8Array = new TextEncoder().encode("We train a model on your ratings. They stay with you.");

interface Current {
  readonly number: number;
  readonly plan: RoundPlan;
  readonly planIndex: number;
  readonly planLeafHash: string;
  readonly joined: Map<string, string>;
  readonly submitted: Map<string, Uint8Array>;
  state: RoundState;
}

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
  readonly left: { round: number; reason: string }[] = [];
  readonly calls: string[] = [];
  /** The updates of each round, by subject. */
  readonly updates: Map<number, Map<string, Uint8Array>> = new Map();
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
  readonly #watchers = new Set<ServerWritableStream<Message, Message>>();
  #callers: (() => void)[] = [];
  #rounds: TestRound[];
  #number = 0;
  #current: Current | undefined;
  #opening: Promise<boolean> | undefined;
  #server: Server;
  #offsetMs = 0;

  constructor(options: TestCoordinatorOptions = {}) {
    this.#options = options;
    this.#rounds = [...(options.rounds ?? [])];
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
    this.#watchers.clear();
    this.#uploads.clear();
    this.#current?.joined.clear();
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
    this.#rounds.push(...rounds);
  }

  abandon(reason = "OPERATOR_STOPPED"): Promise<void> {
    return this.#end("abandoned", reason);
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
      recordConsent: this.#unary(recordConsent, ({ entry }) => this.#record(entry)),
      getConsent: this.#unary(getConsent, ({ purpose }, device) => this.#consent(device, purpose)),
    });
    const { checkIn, submitMasked, leave } = Rounds.method;
    server.addService(serviceDefinition(Rounds), {
      checkIn: this.#unary(checkIn, (request, device) => this.#checkIn(request, device)),
      submitMasked: this.#unary(submitMasked, (request, device) => this.#submit(request, device)),
      leave: this.#unary(leave, ({ round, reason }, device) => this.#leave(Number(round), reason, device)),
      watch: this.#stream(Rounds.method.watch, (call) => this.#watch(call)),
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
      getInclusionProof: this.#answer(getInclusionProof, async ({ index }) => ({
        receipt: await this.log.receipt(Number(index)),
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

  async #record(bytes: Uint8Array) {
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

  #wait(reason: WaitReason) {
    return { returnAfterMs: 10, returnBeforeMs: 20, reason };
  }

  async #checkIn(request: CheckInRequest, device: Device) {
    const wait = (reason: WaitReason) => ({ outcome: { case: "wait" as const, value: this.#wait(reason) } });
    if (this.#current === undefined) {
      this.#opening ??= this.#openNext().finally(() => {
        this.#opening = undefined;
      });
      if (!(await this.#opening)) return wait(WaitReason.FINISHED);
    }
    const current = this.#current;
    if (current === undefined) throw new Told("RETRY");
    const joined = () => ({
      outcome: { case: "joined" as const, value: { round: BigInt(current.number), state: current.state } },
    });
    if (current.joined.has(device.subject)) return joined();
    if (current.state !== RoundState.SELECTING) return wait(WaitReason.FULL);
    const { index } = this.view.status(device.subject, current.plan.purpose);
    if (request.join === undefined) {
      const known = Number(request.knownTreeSize);
      if (known > this.log.tree.size) throw new Told("OUT_OF_RANGE");
      const offer: OfferMessage = {
        round: BigInt(current.number),
        plan: await this.log.receipt(current.planIndex),
        consistency: this.log.consistency(known, this.log.tree.size),
        consentIndex: BigInt(Math.max(index, 0)),
      };
      return { outcome: { case: "offer" as const, value: (await this.lies.offer?.(offer, known)) ?? offer } };
    }
    const { round, plan, signature } = request.join;
    const { number, planLeafHash } = current;
    if (Number(round) !== number || encodeBase64Url(plan) !== planLeafHash) throw new Told("STALE_OFFER");
    const claim = {
      log: this.log.origin,
      plan: planLeafHash,
      population: POPULATION,
      round: number,
      subject: device.subject,
    };
    if (!this.#verifier.verify(device.publicKey, joinMessage(claim), signature)) throw new Told("BAD_SIGNATURE");
    current.joined.set(device.subject, encodeBase64Url(signature));
    if (current.joined.size >= (this.#options.target ?? 1)) this.#enter(RoundState.MASKED);
    return joined();
  }

  async #openNext(): Promise<boolean> {
    const next = this.#rounds.shift();
    if (next !== undefined) await this.#open(next);
    return next !== undefined;
  }

  async #open(round: TestRound): Promise<void> {
    this.#number += 1;
    const plan = planOf(round, {
      number: this.#number,
      policy: this.policy,
      consentTreeSize: this.log.tree.size,
      model: this.model,
      cap: this.#options.limits?.epsilon ?? "8",
    });
    const { index, entry } = await this.log.publish("round.plan", plan, this.lies.planSigner);
    this.view.apply(index, entry);
    this.#current = {
      number: this.#number,
      plan,
      planIndex: index,
      planLeafHash: entryLeafHash(entry),
      joined: new Map(),
      submitted: new Map(),
      state: RoundState.SELECTING,
    };
    this.updates.set(this.#number, this.#current.submitted);
    this.#enter(RoundState.SELECTING);
  }

  #enter(state: RoundState): void {
    if (this.#current === undefined) return;
    this.#current.state = state;
    for (const call of this.#watchers) call.write(this.#event());
  }

  #event(reason = ""): Message {
    const state = this.#current?.state ?? RoundState.CLOSED;
    const isOver = state === RoundState.CLOSED || state === RoundState.ABANDONED;
    return create(Rounds.method.watch.output, {
      round: BigInt(this.#number),
      state,
      reason,
      ...(isOver ? { next: this.#wait(WaitReason.NO_ROUND) } : {}),
    });
  }

  /** Closes a round of its own with `model` as what it released. */
  async release(
    model: Uint8Array,
    changes: Partial<RoundClose> = {},
    signer?: NodeSigner,
    stage: "candidate" | "live" = "live",
  ): Promise<void> {
    this.model = model;
    this.#number += 1;
    await this.released.release(this.#number, model, changes, signer);
    if (stage === "live") await this.released.stage(this.#number, stage);
  }

  async #end(outcome: "completed" | "abandoned", reason: string | null): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const completed = outcome === "completed";
    const { index, entry } = await this.log.publish("round.close", {
      population: POPULATION,
      round: current.number,
      plan: current.planLeafHash,
      outcome,
      reason,
      cohort: completed ? { size: current.submitted.size, blob: null } : null,
      aggregate: completed ? sha256Text(new Uint8Array(1)) : null,
      modelOut: null,
    });
    this.view.apply(index, entry);
    current.state = completed ? RoundState.CLOSED : RoundState.ABANDONED;
    const event = this.#event(reason ?? "");
    this.#current = undefined;
    for (const call of this.#watchers) call.write(event);
  }

  async #submit(request: { round: bigint; inlineUpdate: Uint8Array; chunksSha256: Uint8Array }, device: Device) {
    const current = this.#current;
    if (current?.number !== Number(request.round) || !current.joined.has(device.subject))
      throw new Told("NOT_IN_ROUND");
    const update =
      request.inlineUpdate.length > 0 ? request.inlineUpdate : this.#uploads.assemble(device.id, request.chunksSha256);
    current.submitted.set(device.subject, update.slice());
    if (current.submitted.size >= current.joined.size) await this.#end("completed", null);
    return { accepted: true };
  }

  /** Loses a part of every upload, as a coordinator may. */
  dropChunk(offset: number): void {
    this.#uploads.drop(offset);
  }

  #leave(round: number, reason: string, device: Device) {
    this.left.push({ round, reason });
    this.#current?.joined.delete(device.subject);
    return {};
  }

  #watch(call: ServerWritableStream<Message, Message>): void {
    this.#watchers.add(call);
    call.on("cancelled", () => this.#watchers.delete(call));
    if (this.#number > 0) call.write(this.#event());
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
