// A bundle of a real federation, and the same log written again with one thing changed by someone who holds every key.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { JoinOptions } from "@fedloop/client-runtime";
import {
  buildEntry,
  type CohortMember,
  cohortBlob,
  type Entry,
  type EntryDraft,
  type EntryOf,
  type EntryType,
  encodeBase64Url,
  encodeUtf8,
  entryLeafHash,
  joinMessage,
  leafHash,
  MerkleTree,
  newEntryId,
  noteSigner,
  parseCohort,
  parseEntry,
  type Signer,
  signCheckpoint,
  writeBundle,
} from "@fedloop/consent";
import { generateNodeSigner, type NodeSigner, nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import type { Test } from "tap";
import { exportBundle } from "../../src/ledger/export-bundle.js";
import { Federation, ORIGIN } from "../server/federation.js";
import { ConstantTrainer, TERMS } from "../server/people.js";

const COHORT = 10;

/** Noise from the devices, masked updates, two training rounds and an evaluation. */
const PLAN = {
  rounds: 2,
  cohort: { target: COHORT, minimum: 8, overSelection: 1 },
  deadlines: { selection: "60s", report: "60s" },
  privacy: { mechanism: "distributed-discrete-gaussian", clipNorm: 5, epsilon: 4, delta: 1e-5 },
  secureAggregation: { enabled: true },
  evaluation: { metric: "mean", length: 2 },
};

type Mutable<T> = T extends Uint8Array ? T : { -readonly [K in keyof T]: Mutable<T[K]> };

/** An entry that a test may change. `was` is its leaf hash in the real log, null for one that was not there. */
export interface Draft {
  entry: Mutable<Omit<Entry, "sig">>;
  was: string | null;
  /** Signs instead of the entry's actor. */
  signer?: Signer;
  /** Stands instead of the number that the entry's place in its chain gives. */
  aseq?: number;
}

/** What can be changed before the log is written again. */
export interface Forgery {
  readonly drafts: Draft[];
  /** Members by the leaf hash of their round's plan in the real log. */
  readonly cohorts: Map<string, Mutable<CohortMember>[]>;
  /** The entries of one type, in order. */
  of<T extends EntryType>(type: T): { draft: Draft; entry: Mutable<EntryOf<T>> }[];
  signerOf(actor: string): NodeSigner;
  /** Moves what signs the checkpoint, or what root it signs. */
  checkpoint: { signer?: NodeSigner; root?: Uint8Array };
}

/** A real log with all the keys that made it. */
export class RealLog {
  readonly bytes: Uint8Array;
  readonly vkey: string;
  readonly checkpoint: string;
  readonly refuser: string;
  readonly erased: string;
  readonly #entries: readonly Entry[];
  readonly #blobs: readonly Uint8Array[];
  readonly #signers: ReadonlyMap<string, NodeSigner>;
  readonly #checkpointKey: NodeSigner;

  private constructor(parts: {
    bytes: Uint8Array;
    vkey: string;
    people: Map<string, NodeSigner>;
    refuser: string;
    erased: string;
    keys: { operator: NodeSigner; checkpoint: NodeSigner };
  }) {
    this.bytes = parts.bytes;
    this.vkey = parts.vkey;
    this.refuser = parts.refuser;
    this.erased = parts.erased;
    this.#signers = new Map([...parts.people, ["coordinator", parts.keys.operator]]);
    this.#checkpointKey = parts.keys.checkpoint;
    const lines = Buffer.from(parts.bytes).toString("utf8").split("\n").slice(0, -1);
    const header = JSON.parse(lines[0] ?? "");
    this.#entries = lines.slice(1, 1 + header.entries).map((line) => parseEntry(encodeUtf8(line)));
    this.#blobs = lines.slice(1 + header.entries, -1).map((line) => encodeUtf8(line));
    this.checkpoint = JSON.parse(lines.at(-1) ?? "").checkpoint;
  }

  /** Runs the federation: ten people in rounds, one who refuses, one who is erased, two heartbeats at the end. */
  static async run(t: Test): Promise<RealLog> {
    const federation = await Federation.open(t, { plan: PLAN });
    const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
    const signers = new Map<string, NodeSigner>();
    const enter = async (options: Partial<JoinOptions> = {}) => {
      const signer = generateNodeSigner();
      const person = await federation.join({
        signer,
        secureAggregation: crypto,
        trainer: new ConstantTrainer(0.1),
        consent: { ...TERMS, personal: { account: "someone@example.org" } },
        floors: { minimumCohort: 3, minimumNoiseMultiplier: 0, maximumEpsilonPerRound: 100, maximumEpsilon: 100 },
        ...options,
      });
      signers.set(person.subject, signer);
      return person;
    };
    const erased = await enter();
    await erased.erase();
    const refuser = await enter({ consent: { ...TERMS, decide: () => false } });
    const people = await Promise.all(Array.from({ length: COHORT }, () => enter()));
    await Promise.all([federation.run(), ...people.map((person) => federation.takePart(person))]);
    for (let i = 0; i < 2; i++) await federation.coordinator.ledger.commit((tx) => tx.append("heartbeat", {}));
    await federation.close();
    const { folder, coordinator } = federation;
    const path = join(folder, "bundle.jsonl");
    await exportBundle({ database: join(folder, "fedloop.sqlite"), verifierKey: coordinator.verifierKey, path });
    const key = (name: string) => nodeSigner(new Uint8Array(readFileSync(join(folder, "keys", `${name}.key`))));
    return new RealLog({
      bytes: new Uint8Array(readFileSync(path)),
      vkey: coordinator.verifierKey,
      people: signers,
      refuser: refuser.subject,
      erased: erased.subject,
      keys: { operator: key("operator"), checkpoint: key("checkpoint") },
    });
  }

  /**
   * The log with a change in it, written anew: chains, hashes that entries name, joins, blobs, signatures and checkpoint
   * follow the change, so that it alone is wrong.
   */
  async forged(change: (forgery: Forgery) => unknown): Promise<Uint8Array> {
    const cohorts = new Map<string, Mutable<CohortMember>[]>();
    const drafts = this.#entries.map((entry): Draft => {
      const copy = JSON.parse(JSON.stringify(entry)) as Mutable<Entry>;
      return { entry: copy, was: entryLeafHash(entry) };
    });
    for (const entry of this.#entries) {
      if (entry.type !== "round.close" || entry.body.cohort?.blob == null) continue;
      const blob = this.#blobs.find((bytes) => sha256(bytes) === entry.body.cohort?.blob);
      if (blob !== undefined) cohorts.set(entry.body.plan, JSON.parse(JSON.stringify(parseCohort(blob))));
    }
    const checkpoint: Forgery["checkpoint"] = {};
    await change({
      drafts,
      cohorts,
      checkpoint,
      of: (type) =>
        drafts.flatMap((draft) =>
          draft.entry.type === type ? [{ draft, entry: draft.entry as unknown as never }] : [],
        ),
      signerOf: (actor) => this.#signerOf(actor),
    });
    return this.#write(drafts, cohorts, checkpoint);
  }

  #signerOf(actor: string): NodeSigner {
    const signer = this.#signers.get(actor);
    if (signer === undefined) throw new Error(`nobody has the key of ${actor}`);
    return signer;
  }

  async #write(
    drafts: readonly Draft[],
    cohorts: ReadonlyMap<string, readonly CohortMember[]>,
    checkpoint: Forgery["checkpoint"],
  ): Promise<Uint8Array> {
    const renamed = new Map<string, string>();
    const chains = new Map<string, { next: number; previous: string | null }>();
    const entries: Uint8Array[] = [];
    const blobs = new Map<string, Uint8Array>();
    const tree = new MerkleTree();
    for (const { entry, was, signer, aseq } of drafts) {
      const oldPlan = entry.type === "round.close" ? (entry as unknown as EntryOf<"round.close">).body.plan : "";
      let text = JSON.stringify(entry.body);
      for (const [before, now] of renamed) text = text.replaceAll(before, now);
      const body = JSON.parse(text);
      const members = cohorts.get(oldPlan);
      if (entry.type === "round.close" && members !== undefined && body.cohort?.blob != null) {
        const signed = members.map((member) => this.#joined(member, body));
        const blob = cohortBlob(signed);
        body.cohort.blob = sha256(blob);
        blobs.set(body.cohort.blob, blob);
      }
      const chain = chains.get(entry.actor) ?? { next: 0, previous: null };
      const draft = {
        type: entry.type,
        log: entry.log,
        id: entry.id,
        ts: entry.ts,
        actor: entry.actor,
        aseq: aseq ?? chain.next,
        aprev: chain.previous,
        body,
        ...(entry.enc === undefined ? {} : { enc: entry.enc }),
      } as unknown as EntryDraft;
      const bytes = await buildEntry(draft, signer ?? this.#signerOf(entry.actor));
      const hash = entryLeafHash(parseEntry(bytes));
      if (was !== null) renamed.set(was, hash);
      chains.set(entry.actor, { next: chain.next + 1, previous: hash });
      entries.push(bytes);
      tree.append(leafHash(bytes));
    }
    const signer = noteSigner(ORIGIN, checkpoint.signer ?? this.#checkpointKey);
    const note = await signCheckpoint(
      { origin: ORIGIN, size: tree.size, root: checkpoint.root ?? tree.root() },
      signer,
    );
    const contents = {
      vkey: this.vkey,
      checkpoint: note,
      entries,
      blobs: [...blobs.keys()],
      blob: (name: string) => blobs.get(name) ?? new Uint8Array(),
    };
    const pieces: Uint8Array[] = [];
    for await (const piece of writeBundle(contents)) pieces.push(piece);
    return new Uint8Array(Buffer.concat(pieces));
  }

  /** A member whose join is signed over the plan as it is now; one whose join was emptied joins by a stranger's key. */
  #joined(member: CohortMember, close: { plan: string; population: string; round: number }): CohortMember {
    const { plan, population, round } = close;
    const { subject } = member;
    const signer = member.join === "" ? generateNodeSigner() : this.#signerOf(subject);
    const join = signer.sign(joinMessage({ log: ORIGIN, plan, population, round, subject }));
    return { ...member, join: encodeBase64Url(join) };
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64url");
}

/** A new id, for an entry or record that is copied. */
export function freshId(): string {
  return newEntryId();
}
