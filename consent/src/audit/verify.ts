// The auditor: reads a bundle once, from its first byte to its last, and trusts nothing in it.
import { type BundleHeader, parseCheckpointLine, parseHeaderLine } from "../bundle/format.js";
import { type BundleLine, bundleLines } from "../bundle/read.js";
import type { Stream } from "../bundle/write.js";
import { equalBytes } from "../crypto/bytes.js";
import type { SignatureVerifier } from "../crypto/ed25519.js";
import { encodeBase64Url } from "../crypto/encoding.js";
import { entryLeaf } from "../entries/entry-bytes.js";
import { isConsentEntry } from "../entries/entry-types.js";
import { LedgerError } from "../errors.js";
import { openCheckpoint } from "../log/checkpoint.js";
import { leafHash } from "../log/hashing.js";
import { parseNote } from "../log/note.js";
import { MerkleTree } from "../log/tree.js";
import { isNamed, parseVkey, type VerifierKey } from "../log/verifier-key.js";
import { ConsentView } from "../records/view.js";
import type { BoxRecipient } from "../vault/sealed-box.js";
import { BudgetAudit, type PopulationReport } from "./budget-audit.js";
import { CohortAudit } from "./cohort-audit.js";
import { ConsentTimeline } from "./consent-timeline.js";
import { EntryAudit } from "./entry-audit.js";
import { type Finding, FindingSink } from "./finding.js";
import { type AuditedRound, RoundAudit } from "./round-audit.js";
import { SignatureQueue } from "./signature-queue.js";
import type { Trust } from "./trust.js";
import { WithdrawalLatencies, type WithdrawalLatency } from "./withdrawal-latency.js";

/** How far a verification has come. */
export interface VerificationProgress {
  readonly bytes: number;
  readonly entries: number;
  /** Entries in all, once the header is read. */
  readonly totalEntries: number;
}

export interface VerificationOptions {
  readonly verifier: SignatureVerifier;
  readonly trust?: Trust;
  /** The auditor's own key, for cohort lists that are sealed to it. */
  readonly auditor?: BoxRecipient;
  readonly onProgress?: (progress: VerificationProgress) => void;
  readonly signal?: AbortSignal;
}

/** What a verification found. The bundle holds exactly when there is no finding. */
export interface VerificationReport {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  readonly log: string;
  /** Entries read, and the root over them, base64url. */
  readonly size: number;
  readonly root: string;
  readonly signatures: number;
  /** Decisions about consent: how many by how many, and how many stand; `timeline` thins long courses evenly. */
  readonly consents: ReturnType<ConsentTimeline["summary"]>;
  /** From withdrawals to the last use of the data; what cohort lists that could not be opened hold is not in it. */
  readonly withdrawalLatency: WithdrawalLatency;
  readonly rounds: {
    readonly planned: number;
    readonly completed: number;
    readonly abandoned: number;
    readonly open: number;
  };
  readonly populations: readonly PopulationReport[];
  /** Names of the witnesses whose cosignatures hold. */
  readonly witnesses: readonly string[];
}

const progressEvery = 512;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** One pass over a bundle. */
class BundleAudit {
  readonly #options: VerificationOptions;
  readonly #sink = new FindingSink();
  readonly #view = new ConsentView();
  readonly #tree = new MerkleTree();
  readonly #signatures: SignatureQueue;
  readonly #budget: BudgetAudit;
  readonly #rounds: RoundAudit;
  #header: BundleHeader | undefined;
  #entries: EntryAudit | undefined;
  #cohorts: CohortAudit | undefined;
  #blobs: readonly (readonly [string, readonly AuditedRound[]])[] | undefined;
  #checkpointSeen = false;
  #lines = 0;
  #bytes = 0;
  readonly #consents = new ConsentTimeline();
  readonly #latencies = new WithdrawalLatencies();
  #witnesses: readonly string[] = [];

  constructor(options: VerificationOptions) {
    this.#options = options;
    this.#signatures = new SignatureQueue(options.verifier);
    this.#budget = new BudgetAudit(this.#view, this.#sink);
    this.#rounds = new RoundAudit(this.#view, this.#budget, this.#sink);
  }

  async run(source: Stream<Uint8Array>): Promise<VerificationReport> {
    const { signal } = this.#options;
    try {
      for await (const lines of bundleLines(source, signal)) {
        for (const line of lines) {
          // Only what comes after the entries has anything to wait for.
          const work = this.#line(line);
          if (work !== undefined) await work;
          if (this.#lines % progressEvery === 0) this.#progress();
        }
        await this.#signatures.pace();
      }
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      this.#sink.add("BUNDLE_FRAMING", "header", null, error.message);
    }
    this.#finish();
    await this.#signatures.drain();
    this.#progress();
    return this.#report();
  }

  #line({ bytes, terminated }: BundleLine): Promise<void> | undefined {
    const number = this.#lines++;
    this.#bytes += bytes.length + 1;
    if (!terminated)
      this.#sink.add("BUNDLE_FRAMING", "checkpoint", null, "The last line is cut off: no newline ends it.");
    if (number === 0) this.#readHeader(bytes);
    const header = this.#header;
    if (header === undefined || number === 0) return undefined;
    const index = number - 1;
    const blob = index - header.entries;
    if (blob < 0) this.#readEntry(index, bytes);
    else if (blob < header.blobs) return this.#readBlob(blob, bytes);
    else if (blob === header.blobs) return this.#readCheckpoint(header, bytes);
    return undefined;
  }

  #readHeader(bytes: Uint8Array): void {
    try {
      const header = parseHeaderLine(bytes);
      this.#header = header;
      const { trust = {} } = this.#options;
      this.#entries = new EntryAudit(header.log, this.#view, this.#signatures, this.#sink, trust);
      const { auditor } = this.#options;
      this.#cohorts = new CohortAudit(
        header.log,
        this.#view,
        this.#budget,
        this.#signatures,
        this.#sink,
        auditor,
        this.#latencies,
      );
      for (const witness of header.witnesses) parseVkey(witness);
      const { name } = parseVkey(header.vkey);
      if (name !== header.log)
        this.#sink.add("BUNDLE_HEADER", "header", null, `The key is of ${name}, the log is ${header.log}.`);
      const { log, vkey } = trust;
      if ((log ?? header.log) !== header.log)
        this.#sink.add("TRUST_MISMATCH", "header", null, `The bundle is of ${header.log}, trusted is ${log}.`);
      if ((vkey ?? header.vkey) !== header.vkey)
        this.#sink.add("TRUST_MISMATCH", "header", null, "The checkpoint key is not the trusted one.");
    } catch (error) {
      this.#sink.add("BUNDLE_HEADER", "header", null, messageOf(error));
    }
  }

  #readEntry(index: number, bytes: Uint8Array): void {
    const entry = this.#entries?.take(index, bytes);
    this.#tree.append(entry === undefined ? leafHash(bytes) : entryLeaf(entry));
    if (entry === undefined) {
      this.#view.skip();
      return;
    }
    this.#rounds.take(index, entry);
    this.#view.apply(index, entry);
    if (!isConsentEntry(entry)) return;
    this.#consents.add(index, entry);
    const { subject, event } = entry.body.record;
    if (entry.type === "consent.withdrawn") this.#latencies.withdrew(subject, index, event.time);
  }

  async #readBlob(number: number, bytes: Uint8Array): Promise<void> {
    this.#blobs ??= [...this.#rounds.blobs];
    const named = this.#blobs[number];
    if (named === undefined) this.#sink.blob("BLOB_UNEXPECTED", number, "No entry names this blob.");
    else await this.#cohorts?.take(number, bytes, named[0], named[1]);
  }

  async #readCheckpoint(header: BundleHeader, bytes: Uint8Array): Promise<void> {
    this.#checkpointSeen = true;
    const { verifier, trust = {} } = this.#options;
    try {
      const note = parseCheckpointLine(bytes);
      const { vkey, witnesses } = header;
      const opened = await openCheckpoint(note, { vkey, witnesses }, verifier);
      this.#checkSigners(note, [vkey, ...witnesses].map(parseVkey));
      if (opened.origin !== header.log)
        this.#sink.add("CHECKPOINT_INVALID", "checkpoint", null, `The checkpoint is of ${opened.origin}.`);
      if (opened.size !== this.#tree.size)
        this.#sink.add(
          "BUNDLE_HEADER",
          "header",
          null,
          `The header counts ${header.entries} entries, the checkpoint ${opened.size}.`,
        );
      else if (!equalBytes(opened.root, this.#tree.root()))
        this.#sink.add("TREE_ROOT", "checkpoint", null, "The root over the entries is not the one that was signed.");
      this.#witnesses = opened.witnesses.map(({ name }) => name);
      if (trust.quorum !== undefined) await this.#checkQuorum(note, vkey, trust.witnesses ?? [], trust.quorum);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      this.#sink.add("CHECKPOINT_INVALID", "checkpoint", null, error.message);
    }
    if (trust.checkpoint !== undefined) await this.#checkEarlier(trust.checkpoint, trust.vkey ?? header.vkey);
  }

  async #checkQuorum(note: string, vkey: string, trusted: readonly string[], quorum: number): Promise<void> {
    const { witnesses } = await openCheckpoint(note, { vkey, witnesses: trusted }, this.#options.verifier);
    if (witnesses.length < quorum)
      this.#sink.add(
        "CHECKPOINT_WITNESSES",
        "checkpoint",
        null,
        `${quorum} of ${trusted.length} trusted witnesses must have signed; ${witnesses.length} have.`,
      );
  }

  /** Every signature line must be one that can be checked, so that no byte of the file goes unverified. */
  #checkSigners(note: string, keys: readonly VerifierKey[]): void {
    const seen = new Set<string>();
    for (const { name, keyId } of parseNote(note).signatures) {
      if (!keys.some((key) => isNamed(key, name, keyId)))
        this.#sink.add(
          "CHECKPOINT_STRANGER",
          "checkpoint",
          null,
          `The header names no key for the signature of ${name}.`,
        );
      if (seen.has(name)) this.#sink.add("CHECKPOINT_STRANGER", "checkpoint", null, `${name} signed twice.`);
      seen.add(name);
    }
  }

  async #checkEarlier(note: string, vkey: string): Promise<void> {
    try {
      const { size, root } = await openCheckpoint(note, { vkey }, this.#options.verifier);
      if (size > this.#tree.size)
        this.#sink.add(
          "CHECKPOINT_FORKED",
          "trust",
          null,
          `The earlier checkpoint is of ${size} entries; the bundle has ${this.#tree.size}.`,
        );
      else if (!equalBytes(root, this.#tree.root(size)))
        this.#sink.add(
          "CHECKPOINT_FORKED",
          "trust",
          null,
          `The first ${size} entries have another root than the earlier checkpoint.`,
        );
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      this.#sink.add("TRUST_MISMATCH", "trust", null, `The earlier checkpoint: ${error.message}`);
    }
  }

  #finish(): void {
    const header = this.#header;
    if (header === undefined) {
      if (this.#lines === 0) this.#sink.add("BUNDLE_HEADER", "header", null, "The file is empty.");
      return;
    }
    const expected = header.entries + header.blobs + 2;
    if (this.#lines !== expected)
      this.#sink.add(
        "BUNDLE_FRAMING",
        "header",
        null,
        `The header counts ${expected} lines, the file has ${this.#lines}.`,
      );
    const named = this.#rounds.blobs.size;
    if (named !== header.blobs) {
      this.#sink.add(
        "BUNDLE_HEADER",
        "header",
        null,
        `The header counts ${header.blobs} blobs, the entries name ${named}.`,
      );
      if (named > header.blobs)
        this.#sink.add("BLOB_UNEXPECTED", "header", null, "A blob that an entry names is missing.");
    }
    for (const subject of this.#options.trust?.subjectsWithKeys ?? [])
      if (this.#view.isErased(subject))
        this.#sink.add("ERASURE_INCOMPLETE", "trust", null, `${subject} was erased; the vault still has its key.`);
    if (!this.#checkpointSeen) this.#sink.add("CHECKPOINT_INVALID", "checkpoint", null, "There is no checkpoint.");
  }

  #progress(): void {
    this.#options.onProgress?.({
      bytes: this.#bytes,
      entries: this.#tree.size,
      totalEntries: this.#header?.entries ?? 0,
    });
  }

  #report(): VerificationReport {
    const populations = this.#budget.conclude();
    const rounds = [...this.#rounds.rounds];
    const outcomes = rounds.map(({ close }) => close?.body.outcome);
    const findings = this.#sink.sorted();
    return {
      ok: findings.length === 0,
      findings,
      log: this.#header?.log ?? "",
      size: this.#tree.size,
      root: encodeBase64Url(this.#tree.root()),
      signatures: this.#signatures.checked,
      consents: this.#consents.summary(),
      withdrawalLatency: this.#latencies.summary(),
      rounds: {
        planned: rounds.length,
        completed: outcomes.filter((outcome) => outcome === "completed").length,
        abandoned: outcomes.filter((outcome) => outcome === "abandoned").length,
        open: outcomes.filter((outcome) => outcome === undefined).length,
      },
      populations,
      witnesses: this.#witnesses,
    };
  }
}

/**
 * Verifies a bundle, offline and from nothing but its bytes: frame, entries, signatures, chains, tree, checkpoint,
 * consents, rounds and budgets. Whatever is wrong becomes a finding; only aborting and a failing source throw.
 * @param source the file's bytes in pieces of any size
 */
export async function verifyBundle(
  source: Stream<Uint8Array>,
  options: VerificationOptions,
): Promise<VerificationReport> {
  return new BundleAudit(options).run(source);
}
