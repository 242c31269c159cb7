// Writes small real logs for tests: every entry signed, chained and admitted as a coordinator would.
import {
  admitEntry,
  buildEntry,
  type CohortMember,
  type ConsentRecord,
  type ConsentState,
  ConsentView,
  cohortBlob,
  coordinatorActor,
  type EncryptedPayload,
  type EntryBody,
  eligibleRoot,
  encodeBase64Url,
  encodeEvent,
  encodeUtf8,
  entryLeafHash,
  joinMessage,
  leafHash,
  MerkleTree,
  type NoteSigner,
  noteSigner,
  type PolicyPublish,
  parseEntry,
  type RoundPlan,
  type SecureAggregationPlan,
  type Signer,
  sha256Text,
  signCheckpoint,
  subjectPseudonym,
} from "../src/index.js";
import { type NodeSigner, nodeSigner } from "../src/index.node.js";

export const logName = "log.example/2026";
export const population = "course-ratings";
export const purpose = "train-rating-model";
export const notice: Uint8Array = encodeUtf8("We train a model of lecturer effects on your device.\n");

/** A participant with its key and its place in its own chain. */
export interface TestDevice {
  readonly subject: string;
  readonly signer: NodeSigner;
  sequence: number;
  previous: string | null;
  supersedes: string | null;
}

export function testDevice(number: number): TestDevice {
  const subjectKey = new Uint8Array(32).fill(number);
  subjectKey[0] = number >> 8;
  return {
    subject: subjectPseudonym(subjectKey, population),
    signer: nodeSigner(leafHash(subjectKey)),
    sequence: 0,
    previous: null,
    supersedes: null,
  };
}

export const operator: NodeSigner = nodeSigner(new Uint8Array(32).fill(101));

export function policyBody(changes: Partial<PolicyPublish> = {}): PolicyPublish {
  return {
    policy: 1,
    population,
    controller: "Example University",
    notice: sha256Text(notice),
    noticeUri: "https://log.example/notice/1",
    language: "en",
    purposes: [purpose],
    limits: { epsilon: "4", delta: "0.00001" },
    unit: "participant",
    adjacency: "add-or-remove-one",
    accountant: "rdp",
    accountantVersion: "1",
    operatorKey: encodeBase64Url(operator.publicKey),
    ...changes,
  };
}

export function recordOf(
  device: TestDevice,
  state: ConsentState,
  time: number,
  changes: Partial<ConsentRecord> = {},
): ConsentRecord {
  const { notice: sha256, noticeUri: uri, language, controller } = policyBody();
  return {
    id: sha256Text(encodeUtf8(`${device.subject}/${device.sequence}`))
      .slice(0, 21)
      .concat("A"),
    subject: device.subject,
    key: encodeBase64Url(device.signer.publicKey),
    population,
    purpose,
    controller,
    notice: { uri, sha256, language },
    policy: 1,
    basis: "consent",
    dataCategories: ["course ratings"],
    specialCategory: false,
    storage: "on the device",
    retention: "until withdrawn",
    jurisdiction: "CH",
    model: "opt-in",
    withdrawal: "the consent centre",
    event: { time, validUntil: null, state },
    interface: "test",
    signals: { gpc: false },
    limits: { epsilon: null, delta: null, rounds: null },
    supersedes: device.supersedes,
    ...changes,
  };
}

const noiseMultiplier = 8;

export function planBody(round: number, consentTreeSize: number, eligible: readonly string[]): RoundPlan {
  return {
    population,
    round,
    kind: "train",
    purpose,
    policy: 1,
    consentTreeSize,
    eligible: { count: eligible.length, root: eligibleRoot(eligible) },
    sampler: { type: "available" },
    cohort: { target: 3, minimum: 1, overSelection: "1.2" },
    deadlines: { selectionMs: 1_000, reportMs: 5_000 },
    trainer: { id: "biased-factorisation", settings: { base: 3, userRidge: 12, curvatureScale: "0.3", warm: true } },
    model: { sha256: sha256Text(encodeUtf8(`model ${round - 1}`)), parameters: 5, bytes: 20 },
    update: { length: 10, encoding: "quantised", bits: 20, granularity: "0.001", integerNormBound: 1_100 },
    privacy: {
      unit: "participant",
      adjacency: "add-or-remove-one",
      mechanism: "central-discrete-gaussian",
      noiseAt: "coordinator",
      reason: null,
      clipNorm: "1",
      noiseMultiplier: String(noiseMultiplier),
      divisor: 3,
      event: encodeEvent({ type: "Gaussian", noiseMultiplier }),
    },
    secureAggregation: { enabled: false, reason: "a test of the ledger" },
    reservation: { epsilon: "1", delta: "0.00001", cap: "4" },
  };
}

/** The section of a plan with secure aggregation. */
export function securePlan(bits: number, changes: Partial<SecureAggregationPlan> = {}): RoundPlan["secureAggregation"] {
  const parameters: SecureAggregationPlan = {
    graph: "complete",
    corruptFraction: "0.1",
    dropoutFraction: "0.1",
    adversary: "semi-malicious",
    groupTarget: 20,
    minimumMembers: 10,
    maximumMembers: 30,
    minimumSurvivors: 8,
    bits,
    valueBound: 1_100,
    ...changes,
  };
  return { enabled: true, reason: null, parameters };
}

/** What a test may forge about an entry. */
export interface Forgery {
  /** Appends without asking whether the entry may stand. */
  readonly unadmitted?: boolean;
  readonly envelope?: {
    readonly log?: string;
    readonly id?: string;
    readonly ts?: number;
    readonly aseq?: number;
    readonly aprev?: string | null;
  };
  readonly signer?: Signer;
  readonly enc?: EncryptedPayload;
}

/** A log under construction. Its clock moves a second with every entry. */
export class LogAuthor {
  readonly entries: Uint8Array[] = [];
  readonly leafHashes: string[] = [];
  readonly blobs: Uint8Array[] = [];
  readonly view: ConsentView = new ConsentView();
  readonly tree: MerkleTree = new MerkleTree();
  readonly checkpointSigner: NoteSigner = noteSigner(logName, nodeSigner(new Uint8Array(32).fill(102)));
  #sequence = 0;
  #previous: string | null = null;

  get now(): number {
    return 1_767_225_600_000 + 1_000 * this.entries.length;
  }

  #identifier(): string {
    return `${sha256Text(encodeUtf8(`entry ${this.entries.length}`)).slice(0, 21)}A`;
  }

  /** Appends bytes as they are; a hostile log may hold anything. */
  push(bytes: Uint8Array): string {
    const entry = parseEntry(bytes);
    this.entries.push(bytes);
    this.tree.append(leafHash(bytes));
    this.view.apply(this.view.size, entry);
    const hash = entryLeafHash(entry);
    this.leafHashes.push(hash);
    return hash;
  }

  /** Signs, admits and appends an entry of the coordinator's; answers its leaf hash. */
  async write(body: EntryBody, forgery: Forgery = {}): Promise<string> {
    const envelope = {
      log: logName,
      id: this.#identifier(),
      ts: this.now,
      actor: coordinatorActor,
      aseq: this.#sequence,
      aprev: this.#previous,
      ...forgery.envelope,
    };
    const bytes = await buildEntry({ ...envelope, ...body }, forgery.signer ?? operator);
    if (forgery.unadmitted !== true) admitEntry(this.view, parseEntry(bytes));
    this.#sequence++;
    this.#previous = this.push(bytes);
    return this.#previous;
  }

  /** The bytes of a consent entry of a device's, not appended. */
  async consentBytes(
    device: TestDevice,
    state: ConsentState,
    changes: Partial<ConsentRecord> = {},
    forgery: Forgery = {},
  ): Promise<Uint8Array> {
    const record = recordOf(device, state, this.now, changes);
    return buildEntry(
      {
        log: logName,
        id: this.#identifier(),
        ts: this.now,
        actor: device.subject,
        aseq: device.sequence,
        aprev: device.previous,
        ...forgery.envelope,
        ...(forgery.enc === undefined ? {} : { enc: forgery.enc }),
        type: `consent.${state}`,
        body: { record },
      },
      forgery.signer ?? device.signer,
    );
  }

  /** Signs, admits and appends a consent entry of a device's; answers its index. */
  async consent(
    device: TestDevice,
    state: ConsentState,
    changes: Partial<ConsentRecord> = {},
    forgery: Forgery = {},
  ): Promise<number> {
    const bytes = await this.consentBytes(device, state, changes, forgery);
    if (forgery.unadmitted !== true) admitEntry(this.view, parseEntry(bytes));
    device.sequence++;
    device.previous = this.push(bytes);
    device.supersedes = device.previous;
    return this.entries.length - 1;
  }

  /** A plan for a round over all who consent now; answers its leaf hash. */
  async plan(round: number, change: (plan: RoundPlan) => RoundPlan = (plan) => plan): Promise<string> {
    const eligible = this.view.eligible(population, purpose, this.now);
    return this.write({ type: "round.plan", body: change(planBody(round, this.view.size, eligible)) });
  }

  /** The cohort blob of devices that joined a plan. */
  cohort(
    plan: string,
    round: number,
    devices: readonly TestDevice[],
    change: (member: CohortMember) => CohortMember = (member) => member,
  ): { readonly size: number; readonly blob: string } {
    const members = devices.map((device) => {
      const message = joinMessage({ log: logName, plan, population, round, subject: device.subject });
      return change({
        subject: device.subject,
        consent: this.view.status(device.subject, purpose).index,
        join: encodeBase64Url(device.signer.sign(message)),
        maskKey: null,
      });
    });
    const blob = cohortBlob(members);
    this.blobs.push(blob);
    return { size: members.length, blob: sha256Text(blob) };
  }

  /** The signed checkpoint over all entries so far. */
  async checkpoint(): Promise<string> {
    return signCheckpoint({ origin: logName, size: this.tree.size, root: this.tree.root() }, this.checkpointSigner);
  }
}
