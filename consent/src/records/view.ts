// Who consents to what, as the log's entries say it, in the order of their indices. Default is deny.
import { entryLeafHash } from "../entries/entry-bytes.js";
import { type ConsentEntry, type Entry, isConsentEntry } from "../entries/entry-types.js";
import type { PolicyPublish } from "../entries/policy-publish.js";
import { LedgerError } from "../errors.js";
import type { ConsentRecord } from "./record.js";

/** What a participant's latest decision amounts to. Only "given" permits anything. */
export type ConsentStatusState = "given" | "refused" | "withdrawn" | "expired" | "none";

/** The parts of a record that decide about later use; the whole record is in the log. */
export type ConsentTerms = Pick<
  ConsentRecord,
  "id" | "key" | "population" | "purpose" | "policy" | "event" | "limits" | "ageBand"
>;

/** A participant's standing for one purpose. */
export interface ConsentStatus {
  readonly state: ConsentStatusState;
  /** Index of the entry that decided; -1 where there is none. */
  readonly index: number;
  /** Leaf hash of that entry, base64url; empty where there is none. */
  readonly leafHash: string;
  /** What the record of that entry says; null where there is none. */
  readonly record: ConsentTerms | null;
}

/** An actor's place in its own chain. */
export interface ActorState {
  /** Ed25519 key that must sign the actor's next entry, base64url. */
  readonly key: string;
  readonly nextSequence: number;
  /** Leaf hash of the actor's last entry. */
  readonly leafHash: string;
}

/** A policy with the entry that published it. */
export interface PublishedPolicy {
  readonly index: number;
  readonly leafHash: string;
  readonly policy: PolicyPublish;
}

interface Decision {
  readonly index: number;
  readonly leafHash: string;
  readonly state: Exclude<ConsentStatusState, "none">;
  readonly record: ConsentTerms;
}

const none: ConsentStatus = { state: "none", index: -1, leafHash: "", record: null };

function stateOf(entry: ConsentEntry): Decision["state"] {
  const { state } = entry.body.record.event;
  return state === "reaffirmed" ? "given" : state;
}

/** A view of a large log keeps one of these for every decision: little of a record, and nothing that holds the rest. */
function termsOf(entry: ConsentEntry): ConsentTerms {
  const { id, key, population, purpose, policy, event, limits, ageBand } = entry.body.record;
  const terms = { id, key, population, purpose, policy, event, limits };
  return ageBand === undefined ? terms : { ...terms, ageBand };
}

/** The last decision about a purpose whose index lies before the tree size. */
function lastAbout(
  purpose: string,
  decisions: readonly Decision[] | undefined,
  treeSize: number,
): Decision | undefined {
  for (let at = (decisions?.length ?? 0) - 1; at >= 0; at--) {
    const decision = decisions?.[at];
    if (decision !== undefined && decision.index < treeSize && decision.record.purpose === purpose) return decision;
  }
  return undefined;
}

/** The last element whose index lies before the tree size. */
function lastBefore<T extends { readonly index: number }>(
  list: readonly T[] | undefined,
  treeSize: number,
): T | undefined {
  for (let at = (list?.length ?? 0) - 1; at >= 0; at--) {
    const element = list?.[at];
    if (element !== undefined && element.index < treeSize) return element;
  }
  return undefined;
}

/**
 * The state of consents after a prefix of the log, and after every shorter one. Feed it every entry in index order,
 * after checking signatures and admission (see `admitEntry`); it never looks at a clock.
 */
export class ConsentView {
  /** Each subject's decisions about all purposes, in index order: most have few. */
  readonly #decisions = new Map<string, Decision[]>();
  readonly #actors = new Map<string, ActorState>();
  /** Keys that were replaced, with the index of the entry that replaced them. */
  readonly #formerKeys = new Map<string, { readonly index: number; readonly key: string }[]>();
  readonly #policies = new Map<string, PublishedPolicy[]>();
  readonly #erasures = new Map<string, number>();
  #size = 0;

  /** How many entries have been applied. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes the next entry into account.
   * @throws LedgerError OUT_OF_RANGE when the index is not the next one.
   */
  apply(index: number, entry: Entry): void {
    if (index !== this.#size)
      throw new LedgerError("OUT_OF_RANGE", `The next entry is ${this.#size}; entry ${index} was given.`);
    this.#size++;
    const leafHash = entryLeafHash(entry);
    const key = this.#nextKey(entry);
    if (entry.type === "key.rotate") this.#retireKey(index, entry.actor);
    if (key !== undefined) this.#actors.set(entry.actor, { key, nextSequence: entry.aseq + 1, leafHash });
    if (entry.type === "policy.publish") {
      const published = this.#policies.get(entry.body.population) ?? [];
      published.push({ index, leafHash, policy: entry.body });
      this.#policies.set(entry.body.population, published);
    }
    if (isConsentEntry(entry))
      this.#decide(entry.body.record.subject, { index, leafHash, state: stateOf(entry), record: termsOf(entry) });
    if (entry.type === "erasure") this.#erasures.set(entry.body.subject, index);
  }

  /** Counts an entry that could not be read, and learns nothing from it. For auditors of damaged logs. */
  skip(): void {
    this.#size++;
  }

  /**
   * What the subject's latest decision about the purpose amounts to. A consent to an earlier policy than the one in
   * force is "expired": a changed policy asks again. With a time (milliseconds since 1970), a consent past its
   * `validUntil` is "expired" too. With a tree size, only the entries before it count.
   */
  status(subject: string, purpose: string, at?: number, treeSize: number = this.#size): ConsentStatus {
    const decision = lastAbout(purpose, this.#decisions.get(subject), treeSize);
    if (decision === undefined || this.isErased(subject, treeSize)) return none;
    const { index, leafHash, record } = decision;
    return { state: this.#stateAt(decision, at, treeSize), index, leafHash, record };
  }

  /** Whether the subject's consent to the purpose stands; arguments as for {@link status}. */
  permits(subject: string, purpose: string, at?: number, treeSize: number = this.#size): boolean {
    return this.status(subject, purpose, at, treeSize).state === "given";
  }

  /** Pseudonyms of a population whose consent to the purpose stands, in ascending order. */
  eligible(population: string, purpose: string, at?: number, treeSize: number = this.#size): string[] {
    const subjects: string[] = [];
    for (const subject of this.#decisions.keys()) {
      const { state, record } = this.status(subject, purpose, at, treeSize);
      if (state === "given" && record?.population === population) subjects.push(subject);
    }
    return subjects.sort();
  }

  /** Consents that are given by their latest entry and whose `validUntil` has come, in no order. */
  ended(at: number): ConsentStatus[] {
    const ended: ConsentStatus[] = [];
    for (const [subject, decisions] of this.#decisions) {
      if (this.isErased(subject)) continue;
      for (const decision of decisions) {
        const { purpose, event } = decision.record;
        if (decision.state !== "given" || event.validUntil === null || at < event.validUntil) continue;
        if (lastAbout(purpose, decisions, this.#size) === decision) ended.push(decision);
      }
    }
    return ended;
  }

  /** The policy in force for a population. */
  policy(population: string, treeSize: number = this.#size): PublishedPolicy | undefined {
    return lastBefore(this.#policies.get(population), treeSize);
  }

  /** Whether the subject was erased: its key is gone, so no entry of its can follow. */
  isErased(subject: string, treeSize: number = this.#size): boolean {
    return (this.#erasures.get(subject) ?? Number.POSITIVE_INFINITY) < treeSize;
  }

  /** An actor's key and place in its chain; undefined before its first entry. */
  actor(name: string): ActorState | undefined {
    return this.#actors.get(name);
  }

  /**
   * The key that signs for an actor after the first `treeSize` entries, base64url; undefined before its first entry.
   */
  keyOf(name: string, treeSize: number = this.#size): string | undefined {
    const former = this.#formerKeys.get(name)?.find(({ index }) => index >= treeSize);
    return former?.key ?? this.#actors.get(name)?.key;
  }

  #retireKey(index: number, actor: string): void {
    const key = this.#actors.get(actor)?.key;
    if (key === undefined) return;
    const former = this.#formerKeys.get(actor) ?? [];
    former.push({ index, key });
    this.#formerKeys.set(actor, former);
  }

  #decide(subject: string, decision: Decision): void {
    const decisions = this.#decisions.get(subject);
    if (decisions === undefined) this.#decisions.set(subject, [decision]);
    else decisions.push(decision);
  }

  #stateAt({ state, record }: Decision, at: number | undefined, treeSize: number): Decision["state"] {
    if (state !== "given") return state;
    if (record.policy !== this.policy(record.population, treeSize)?.policy.policy) return "expired";
    const { validUntil } = record.event;
    return validUntil !== null && at !== undefined && at >= validUntil ? "expired" : "given";
  }

  /** The key for the actor's entry after this one. */
  #nextKey(entry: Entry): string | undefined {
    if (entry.type === "key.rotate") return entry.body.newKey;
    const known = this.#actors.get(entry.actor)?.key;
    if (known !== undefined) return known;
    if (entry.type === "policy.publish") return entry.body.operatorKey;
    return isConsentEntry(entry) && entry.actor === entry.body.record.subject ? entry.body.record.key : undefined;
  }
}
