// A device that speaks the protocol and checks nothing: what it costs is the coordinator's time, hardly its own. Whole
// devices, which verify before they take part, are what the other processes of the benchmarks and the tests run.
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
  create,
  type DescMethod,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { ClientError, type Transport } from "@fedloop/client-runtime";
import { buildEntry, encodeBase64Url, joinMessage, leafHash, newEntryId, parseEntry } from "@fedloop/consent";
import { generateNodeSigner, type NodeSigner } from "@fedloop/consent/node";
import {
  Consent,
  Enrollment,
  EnrollRequestSchema,
  GetNoticeRequestSchema,
  METADATA,
  methodPath,
  type Offer,
  type RoundEvent,
  RoundState,
  Rounds,
  requestSigningInput,
  signedParts,
  type Wait,
  WatchRequestSchema,
} from "@fedloop/proto";

const PURPOSE = "load";
/** Every device sends the same update: it is not looked at. */
const UPDATE = new Uint8Array(new Float32Array(1_000).fill(1e-4).buffer);
const CHUNKS_SHA256 = sha256(sha256(UPDATE));

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** What the device's life is counted by. */
export interface DeviceEvents {
  readonly accepted: () => void;
  readonly refused: (code: string) => void;
}

/** After a refusal that names no time. */
const OTHERWISE = { returnAfterMs: 1_000, returnBeforeMs: 5_000 };

type Window = Pick<Wait, "returnAfterMs" | "returnBeforeMs">;

/** When to come back, where the coordinator asks for it. */
export function askedToReturnAfterMs(cause: unknown): number | undefined {
  if (!(cause instanceof ClientError) || cause.code !== "REMOTE") return undefined;
  return cause.remoteCode === "BUSY" || cause.remoteCode === "RETRY" ? cause.retryAfterMs : undefined;
}

export class LightDevice {
  readonly population: string;
  readonly #signer: NodeSigner = generateNodeSigner();
  readonly #draw: () => number;
  #deviceId = "";
  #session = "";
  #subject = "";
  #log = "";
  readonly #trainMs: number;
  /** Of the newest tree that it was shown. */
  #knownTreeSize = 0n;

  /** @param trainMs how long it trains at most */
  constructor(population: string, draw: () => number, trainMs = 0) {
    this.population = population;
    this.#draw = draw;
    this.#trainMs = trainMs;
  }

  /** Enrolls and consents. */
  async enter(transport: Transport): Promise<void> {
    const { publicKey } = this.#signer;
    const nonce = randomBytes(16);
    const timeMs = Date.now();
    const key = encodeBase64Url(publicKey);
    const text = `fedloop-enroll/v1\n${this.population}\n${key}\n${encodeBase64Url(nonce)}\n${timeMs}\n`;
    const request = create(EnrollRequestSchema, {
      population: this.population,
      publicKey,
      timeMs: BigInt(timeMs),
      nonce,
      signature: this.#signer.sign(Buffer.from(text)),
    });
    const body = toBinary(EnrollRequestSchema, request);
    const answer = await transport.unary(Enrollment.method.enroll, request, { metadata: {}, body });
    this.#deviceId = encodeBase64Url(answer.deviceId);
    this.#session = encodeBase64Url(answer.session);
    this.#subject = answer.subject;
    this.#log = answer.log?.origin ?? "";
    await this.#call(transport, Consent.method.recordConsent, { entry: await this.#consent(transport) });
  }

  /** Someone else, in the place of one who did not come in. */
  another(): LightDevice {
    return new LightDevice(this.population, this.#draw, this.#trainMs);
  }

  /**
   * Takes part until the signal is aborted, as the runtime does: it comes once, then listens, and comes again when a round selects
   * or in the window that it was given. At the end it leaves its round, unless it is to fall silent.
   */
  async stay(transport: Transport, signal: AbortSignal, inSilence: () => boolean, events: DeviceEvents): Promise<void> {
    let joined = 0n;
    let heard = 0;
    let timer: NodeJS.Timeout | undefined;
    const returnIn = ({ returnAfterMs, returnBeforeMs }: Window, offer?: Offer): void => {
      clearTimeout(timer);
      const ms = returnAfterMs + this.#draw() * Math.max(returnBeforeMs - returnAfterMs, 0);
      timer = setTimeout(() => void come(offer), ms);
    };
    const come = async (offer?: Offer): Promise<void> => {
      const before = heard;
      const next = await this.#come(transport, offer).catch((cause: unknown): Window => {
        if (!signal.aborted) events.refused(codeOf(cause));
        const askedMs = askedToReturnAfterMs(cause);
        return askedMs === undefined ? OTHERWISE : { returnAfterMs: askedMs, returnBeforeMs: 1.5 * askedMs };
      });
      if (typeof next === "bigint") joined = next;
      // An event that came meanwhile knows better.
      else if (!signal.aborted && heard === before) returnIn(next);
    };
    const submit = async (round: bigint): Promise<void> => {
      await pause(this.#draw() * this.#trainMs, undefined, { signal });
      const update = { inlineUpdate: UPDATE, chunksSha256: CHUNKS_SHA256 };
      await this.#call(transport, Rounds.method.submitMasked, { population: this.population, round, ...update });
      events.accepted();
    };
    try {
      await come();
      for await (const { state, round, next, offer } of this.#watch(transport, signal, events)) {
        if (state === RoundState.SELECTING && round !== joined) {
          heard += 1;
          returnIn(next ?? OTHERWISE, offer);
        } else if (state === RoundState.MASKED && round === joined) {
          joined = 0n;
          submit(round).catch((cause: unknown) => {
            if (!signal.aborted) events.refused(codeOf(cause));
          });
        } else if (state === RoundState.CLOSED || state === RoundState.ABANDONED) {
          joined = 0n;
          returnIn(next ?? OTHERWISE);
        }
      }
    } finally {
      clearTimeout(timer);
      if (signal.aborted && joined !== 0n && !inSilence()) {
        const leave = { population: this.population, round: joined, reason: "ABORTED" };
        await this.#call(transport, Rounds.method.leave, leave).catch(() => undefined);
      }
    }
  }

  /** @returns the round that it has a place in, or when to come again */
  async #come(transport: Transport, known: Offer | undefined): Promise<bigint | Window> {
    let offer = known;
    if (offer === undefined) {
      const ask = { population: this.population, knownTreeSize: this.#knownTreeSize };
      const { outcome } = await this.#call(transport, Rounds.method.checkIn, ask);
      if (outcome.case === "joined") return outcome.value.round;
      if (outcome.case !== "offer") return outcome.value ?? OTHERWISE;
      offer = outcome.value;
    }
    this.#knownTreeSize = offer.consistency?.newSize ?? this.#knownTreeSize;
    const join = this.#joinOf(offer);
    const taken = await this.#call(transport, Rounds.method.checkIn, { population: this.population, join });
    if (taken.outcome.case === "joined") return taken.outcome.value.round;
    return taken.outcome.case === "wait" ? taken.outcome.value : OTHERWISE;
  }

  #joinOf({ plan, round }: Offer) {
    const hash = leafHash(plan?.entry ?? new Uint8Array());
    const message = joinMessage({
      log: this.#log,
      plan: encodeBase64Url(hash),
      population: this.population,
      round: Number(round),
      subject: this.#subject,
    });
    return { round, plan: hash, signature: this.#signer.sign(message) };
  }

  /** Opens the stream again where the coordinator asks to come back later. */
  async *#watch(transport: Transport, signal: AbortSignal, events: DeviceEvents): AsyncGenerator<RoundEvent> {
    for (;;) {
      const request = create(WatchRequestSchema, { population: this.population, knownTreeSize: this.#knownTreeSize });
      const body = toBinary(WatchRequestSchema, request);
      const metadata = this.#metadata(Rounds.method.watch, body);
      try {
        yield* transport.serverStream(Rounds.method.watch, request, { metadata, body, signal });
        return;
      } catch (cause) {
        const askedMs = askedToReturnAfterMs(cause);
        if (askedMs === undefined) throw cause;
        events.refused(codeOf(cause));
        await pause(askedMs * (1 + this.#draw() / 2), undefined, { signal });
      }
    }
  }

  #call<I extends DescMethodUnary["input"], O extends DescMethodUnary["output"]>(
    transport: Transport,
    method: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    const request = create(method.input, init);
    const body = toBinary(method.input, request);
    return transport.unary(method, request, { metadata: this.#metadata(method, body), body, timeoutMs: 120_000 });
  }

  #metadata(method: DescMethod, body: Uint8Array): Record<string, string> {
    const nonce = encodeBase64Url(randomBytes(16));
    const time = String(Date.now());
    const hash = createHash("sha256");
    for (const part of signedParts(method.input, body)) hash.update(part);
    const text = requestSigningInput(methodPath(method), this.#session, nonce, time, hash.digest("hex"));
    return {
      [METADATA.device]: this.#deviceId,
      [METADATA.session]: this.#session,
      [METADATA.nonce]: nonce,
      [METADATA.time]: time,
      [METADATA.signature]: encodeBase64Url(this.#signer.sign(text)),
    };
  }

  async #consent(transport: Transport): Promise<Uint8Array> {
    const { body } = await policyOf(transport, this.population);
    const now = Date.now();
    const record = {
      id: newEntryId(),
      subject: this.#subject,
      key: encodeBase64Url(this.#signer.publicKey),
      population: this.population,
      purpose: PURPOSE,
      controller: body.controller,
      notice: { uri: body.noticeUri, sha256: body.notice, language: body.language },
      policy: body.policy,
      basis: "consent" as const,
      dataCategories: ["none"],
      specialCategory: false,
      storage: "memory",
      retention: "until the process ends",
      jurisdiction: "CH",
      model: "opt-in" as const,
      withdrawal: "end the process",
      event: { time: now, validUntil: null, state: "given" as const },
      interface: "benchmark",
      signals: { gpc: false },
      limits: { epsilon: null, delta: null, rounds: null },
      supersedes: null,
    };
    const head = {
      log: this.#log,
      id: newEntryId(),
      ts: now,
      actor: this.#subject,
      aseq: 0,
      aprev: null,
      body: { record },
    };
    return buildEntry({ ...head, type: "consent.given" }, this.#signer);
  }
}

/** What a failure is counted by. */
export function codeOf(cause: unknown): string {
  return cause instanceof ClientError ? (cause.remoteCode ?? cause.code) : String(cause);
}

const policies = new Map<string, Promise<ReturnType<typeof parseEntry> & { type: "policy.publish" }>>();

/** The policy in force, asked for once in each process. */
function policyOf(transport: Transport, population: string) {
  const known = policies.get(population);
  if (known !== undefined) return known;
  const ask = async () => {
    const request = create(GetNoticeRequestSchema, { population });
    const body = toBinary(GetNoticeRequestSchema, request);
    const { policy } = await transport.unary(Consent.method.getNotice, request, { metadata: {}, body });
    const published = parseEntry(policy?.entry ?? new Uint8Array());
    if (published.type !== "policy.publish") throw new Error("expected the policy with its notice");
    return published;
  };
  const asked = ask();
  policies.set(population, asked);
  return asked;
}
