import { createHash, randomBytes } from "node:crypto";
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Transport } from "@fedloop/client-runtime";
import {
  buildEntry,
  type ConsentRecord,
  encodeBase64Url,
  entryLeafHash,
  joinMessage,
  leafHash,
  newEntryId,
  parseEntry,
} from "@fedloop/consent";
import { generateNodeSigner, type NodeSigner } from "@fedloop/consent/node";
import {
  type CheckInResponse,
  Consent,
  Enrollment,
  type EnrollRequestSchema,
  type EnrollResponse,
  type JoinSchema,
  type LogReceipt,
  METADATA,
  methodPath,
  type Offer,
  Rounds,
  requestSigningInput,
  type SubmitMaskedResponse,
  signedParts,
} from "@fedloop/proto";
import { consentRecord } from "../ledger/consent-record.js";
import { ORIGIN } from "../server/federation.js";
import { POPULATION, PURPOSE } from "../server/plans.js";

/** How a request differs from an honest one. */
export interface Tampering {
  readonly deviceId?: string;
  readonly session?: string;
  readonly nonce?: string;
  readonly timeMs?: number;
  readonly signer?: NodeSigner;
  /** What is signed instead of the message that is sent. */
  readonly signedBody?: Uint8Array;
  readonly signedPath?: string;
  /** A metadata entry that is left out. */
  readonly without?: string;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** What a call that the coordinator refuses is rejected with. */
export function refusal(remoteCode: string): { readonly code: string; readonly remoteCode: string } {
  return { code: "REMOTE", remoteCode };
}

/** What an enrolment says, honest unless changed. */
export function enrolment(
  signer: NodeSigner,
  changes: { population?: string; timeMs?: number; token?: string } = {},
): MessageInitShape<typeof EnrollRequestSchema> {
  const { population = POPULATION, timeMs = Date.now(), token = "" } = changes;
  const nonce = randomBytes(16);
  const text = `fedloop-enroll/v1\n${population}\n${base64url(signer.publicKey)}\n${base64url(nonce)}\n${timeMs}\n`;
  const signature = signer.sign(Buffer.from(text));
  return { population, publicKey: signer.publicKey, timeMs: BigInt(timeMs), nonce, signature, token };
}

/** A call without a session. */
export function callOpen<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodUnary<I, O>,
  init: MessageInitShape<I>,
): Promise<MessageShape<O>> {
  const request = create(method.input, init);
  return transport.unary(method, request, { metadata: {}, body: toBinary(method.input, request) });
}

/** A device that signs its requests by itself, so that it can lie in each of them. */
export class RawDevice {
  transport: Transport;
  readonly signer: NodeSigner;
  deviceId = "";
  session = "";
  subject = "";
  #sequence = 0;
  #previous: string | null = null;

  constructor(transport: Transport, signer: NodeSigner = generateNodeSigner()) {
    this.transport = transport;
    this.signer = signer;
  }

  /** A device that is enrolled and, unless told otherwise, has consented. */
  static async enter(transport: Transport, options: { readonly consents?: boolean } = {}): Promise<RawDevice> {
    const device = new RawDevice(transport);
    await device.enroll();
    if (options.consents !== false) await device.record(await device.consent("given"));
    return device;
  }

  async enroll(): Promise<EnrollResponse> {
    const answer = await callOpen(this.transport, Enrollment.method.enroll, enrolment(this.signer));
    this.deviceId = base64url(answer.deviceId);
    this.session = base64url(answer.session);
    this.subject = answer.subject;
    return answer;
  }

  metadata(method: DescMethod, body: Uint8Array, tampering: Tampering = {}): Record<string, string> {
    const { deviceId = this.deviceId, session = this.session, signer = this.signer, signedBody = body } = tampering;
    const { nonce = base64url(randomBytes(16)), timeMs = Date.now(), signedPath = methodPath(method) } = tampering;
    const time = String(timeMs);
    const hash = createHash("sha256");
    for (const part of signedParts(method.input, signedBody)) hash.update(part);
    const digest = hash.digest("hex");
    const entries: Record<string, string> = {
      [METADATA.device]: deviceId,
      [METADATA.session]: session,
      [METADATA.nonce]: nonce,
      [METADATA.time]: time,
      [METADATA.signature]: base64url(signer.sign(requestSigningInput(signedPath, session, nonce, time, digest))),
    };
    if (tampering.without !== undefined) delete entries[tampering.without];
    return entries;
  }

  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
    tampering: Tampering = {},
  ): Promise<MessageShape<O>> {
    const request = create(method.input, init);
    const body = toBinary(method.input, request);
    return this.transport.unary(method, request, { metadata: this.metadata(method, body, tampering), body });
  }

  /** A stream, read message by message. */
  open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    init: MessageInitShape<I>,
    tampering: Tampering = {},
  ): AsyncIterator<MessageShape<O>, undefined> {
    const request = create(method.input, init);
    const body = toBinary(method.input, request);
    const metadata = this.metadata(method, body, tampering);
    return this.transport.serverStream(method, request, { metadata, body })[Symbol.asyncIterator]();
  }

  /** All messages of a stream. */
  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    init: MessageInitShape<I>,
  ): Promise<MessageShape<O>[]> {
    const open = this.open(method, init);
    const messages: MessageShape<O>[] = [];
    for (let next = await open.next(); next.done !== true; next = await open.next()) messages.push(next.value);
    return messages;
  }

  /** A consent entry that continues this device's chain, honest unless changed. */
  async consent(
    state: "given" | "refused" | "withdrawn",
    changes: { record?: Partial<ConsentRecord>; log?: string; actor?: string; ts?: number; signer?: NodeSigner } = {},
  ): Promise<Uint8Array> {
    const { policy } = await callOpen(this.transport, Consent.method.getNotice, { population: POPULATION });
    const published = parseEntry(policy?.entry ?? new Uint8Array());
    if (published.type !== "policy.publish") throw new Error("expected the policy with its notice");
    const now = Date.now();
    const key = encodeBase64Url(this.signer.publicKey);
    const decided = { subject: this.subject, key, purpose: PURPOSE, state, timeMs: now, supersedes: this.#previous };
    const record = consentRecord(published.body, decided, changes.record);
    const head = {
      log: changes.log ?? ORIGIN,
      id: newEntryId(),
      ts: changes.ts ?? now,
      actor: changes.actor ?? this.subject,
      aseq: this.#sequence,
      aprev: this.#previous,
      body: { record },
    };
    return buildEntry({ ...head, type: `consent.${state}` }, changes.signer ?? this.signer);
  }

  /** Sends a consent entry; once it is taken, the next one continues it. */
  async record(entry: Uint8Array): Promise<LogReceipt> {
    const { receipt } = await this.call(Consent.method.recordConsent, { entry });
    if (receipt === undefined) throw new Error("expected a receipt");
    this.#previous = entryLeafHash(parseEntry(entry));
    this.#sequence += 1;
    return receipt;
  }

  checkIn(join?: MessageInitShape<typeof JoinSchema>): Promise<CheckInResponse> {
    const request = { population: POPULATION, ...(join === undefined ? {} : { join }) };
    return this.call(Rounds.method.checkIn, request);
  }

  /** The offer of the round that selects. */
  async offer(): Promise<Offer> {
    const { outcome } = await this.checkIn();
    if (outcome.case !== "offer") throw new Error(`expected an offer, came ${outcome.case}`);
    return outcome.value;
  }

  /** What takes a place in an offered round. */
  joinOf(offer: Offer): { readonly round: bigint; readonly plan: Uint8Array; readonly signature: Uint8Array } {
    const plan = leafHash(offer.plan?.entry ?? new Uint8Array());
    const message = joinMessage({
      log: ORIGIN,
      plan: base64url(plan),
      population: POPULATION,
      round: Number(offer.round),
      subject: this.subject,
    });
    return { round: offer.round, plan, signature: this.signer.sign(message) };
  }

  async join(): Promise<CheckInResponse> {
    return this.checkIn(this.joinOf(await this.offer()));
  }

  submit(
    round: number,
    inlineUpdate: Uint8Array,
    chunksSha256: Uint8Array = submissionOf(inlineUpdate).chunksSha256,
  ): Promise<SubmitMaskedResponse> {
    return this.call(Rounds.method.submitMasked, {
      population: POPULATION,
      round: BigInt(round),
      inlineUpdate,
      chunksSha256,
    });
  }
}

/** An update of one chunk as it is submitted. */
export function submissionOf(inline: Uint8Array): { readonly inline: Uint8Array; readonly chunksSha256: Uint8Array } {
  const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();
  return { inline, chunksSha256: sha256(sha256(inline)) };
}

/** An update without a mechanism, on the wire. */
export function floatUpdate(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}
