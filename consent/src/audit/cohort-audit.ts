// Who took part: each with a consent that stood, its own signature, and a mask key used once.
import { sha256Text } from "../crypto/hash.js";
import { type CohortMember, parseCohort } from "../entries/round-close.js";
import { bytesOf } from "../entries/scalars.js";
import { joinMessage } from "../records/join.js";
import type { ConsentView } from "../records/view.js";
import type { BoxRecipient } from "../vault/sealed-box.js";
import { isSealedView, openView } from "../vault/sealed-view.js";
import type { BudgetAudit } from "./budget-audit.js";
import type { FindingSink } from "./finding.js";
import type { AuditedRound } from "./round-audit.js";
import type { SignatureQueue } from "./signature-queue.js";
import type { WithdrawalLatencies } from "./withdrawal-latency.js";

/** Checks cohort blobs, which come after all entries. */
export class CohortAudit {
  readonly #log: string;
  readonly #view: ConsentView;
  readonly #budget: BudgetAudit;
  readonly #signatures: SignatureQueue;
  readonly #sink: FindingSink;
  readonly #auditor: BoxRecipient | undefined;
  readonly #maskKeys = new Map<string, number>();
  readonly #latencies: WithdrawalLatencies;

  constructor(
    log: string,
    view: ConsentView,
    budget: BudgetAudit,
    signatures: SignatureQueue,
    sink: FindingSink,
    auditor: BoxRecipient | undefined,
    latencies: WithdrawalLatencies,
  ) {
    this.#latencies = latencies;
    this.#auditor = auditor;
    this.#log = log;
    this.#view = view;
    this.#budget = budget;
    this.#signatures = signatures;
    this.#sink = sink;
  }

  /** Checks one blob against the hash and the rounds that the log names for it. */
  async take(number: number, bytes: Uint8Array, sha256: string, rounds: readonly AuditedRound[]): Promise<void> {
    if (sha256Text(bytes) !== sha256) {
      this.#sink.blob("BLOB_HASH", number, `The blob's SHA-256 is not ${sha256}.`);
      return;
    }
    for (const round of rounds) {
      const members = await this.#membersOf(number, bytes, round);
      if (members === undefined) continue;
      const size = round.close?.body.cohort?.size;
      if (size !== members.length)
        this.#sink.blob("COHORT_MALFORMED", number, `The list has ${members.length} members, the close says ${size}.`);
      for (const member of members) {
        this.#member(number, member, round);
        await this.#signatures.pace();
      }
    }
  }

  async #membersOf(
    number: number,
    blob: Uint8Array,
    { hash: plan }: AuditedRound,
  ): Promise<readonly CohortMember[] | undefined> {
    try {
      if (!isSealedView(blob)) return parseCohort(blob);
      const auditor = this.#auditor;
      const opened = auditor === undefined ? undefined : await openView(blob, auditor, { log: this.#log, plan });
      if (opened !== undefined) return parseCohort(opened);
      this.#sink.blob("COHORT_SEALED", number, "The list is sealed, and not to a key at hand.");
    } catch (error) {
      this.#sink.blob("COHORT_MALFORMED", number, error instanceof Error ? error.message : String(error));
    }
    return undefined;
  }

  #member(number: number, member: CohortMember, round: AuditedRound): void {
    const { plan, time, debit, close } = round;
    const { subject } = member;
    const what = `${subject} in round ${plan.round} of ${plan.population}`;
    const consent = this.#view.status(subject, plan.purpose, time, plan.consentTreeSize);
    if (consent.state !== "given" || consent.record?.population !== plan.population)
      this.#sink.blob(
        "COHORT_CONSENT",
        number,
        `${what}: consent at tree size ${plan.consentTreeSize} is ${consent.state}.`,
      );
    else if (consent.index !== member.consent)
      this.#sink.blob(
        "COHORT_CONSENT",
        number,
        `${what}: entry ${consent.index} decided, the list names ${member.consent}.`,
      );

    const lastUse = Math.min(debit?.index ?? Number.POSITIVE_INFINITY, close?.index ?? Number.POSITIVE_INFINITY);
    const atLastUse = this.#view.status(subject, plan.purpose, time, lastUse);
    const decidedAnew = atLastUse.index !== consent.index;
    if (decidedAnew && atLastUse.state !== "given" && consent.state === "given" && debit !== undefined) {
      this.#sink.blob(
        "COHORT_WITHDRAWN",
        number,
        `${what}: ${atLastUse.state} at entry ${atLastUse.index}, used until ${lastUse}.`,
      );
    }

    if (debit !== undefined) this.#latencies.used(subject, member.consent, debit.time);
    this.#checkJoin(number, member, round, what);
    this.#maskKey(number, member, round, what);
    if (debit !== undefined && consent.record !== null && close !== undefined)
      this.#budget.participate(round, subject, consent.record, close.index);
  }

  /** A device that changes its key in the midst of a round may have joined under either. */
  #checkJoin(
    number: number,
    { subject, join }: CohortMember,
    { plan, hash, index, close }: AuditedRound,
    what: string,
  ): void {
    const invalid = (): void => this.#sink.blob("COHORT_JOIN", number, `${what}: the signature does not verify.`);
    const claim = { log: this.#log, plan: hash, population: plan.population, round: plan.round, subject };
    const message = joinMessage(claim);
    const signature = bytesOf(join, 64);
    const before = this.#view.keyOf(subject, index);
    const after = this.#view.keyOf(subject, close?.index);
    if (before === undefined || after === undefined) invalid();
    else
      this.#signatures.check(bytesOf(before, 32), message, signature, () => {
        if (after === before) invalid();
        else this.#signatures.check(bytesOf(after, 32), message, signature, invalid);
      });
  }

  #maskKey(number: number, { maskKey }: CohortMember, { plan }: AuditedRound, what: string): void {
    if ((maskKey !== null) !== plan.secureAggregation.enabled)
      this.#sink.blob(
        "COHORT_MASK_KEY",
        number,
        `${what}: a mask key belongs to securely aggregated rounds, and only there.`,
      );
    if (maskKey === null) return;
    if (this.#maskKeys.has(maskKey)) this.#sink.blob("MASK_KEY_REUSED", number, `${what}: its mask key served before.`);
    this.#maskKeys.set(maskKey, number);
  }
}
