// The life of each round as the log tells it: plan, debit, release, close, in this order, all about the same plan.
import type { DpEvent } from "@fedloop/privacy";
import { entryLeafHash } from "../entries/entry-bytes.js";
import type { Entry } from "../entries/entry-types.js";
import { decodeEvent, type EventJson } from "../entries/event.js";
import type { AnalyticsRelease, BudgetDebit, ModelRelease } from "../entries/release.js";
import type { RoundClose } from "../entries/round-close.js";
import type { RoundPlan } from "../entries/round-plan.js";
import { canonicalText } from "../json/canonical.js";
import { eligibleRoot } from "../records/eligible.js";
import type { ConsentView } from "../records/view.js";
import { type BudgetAudit, sameEvent } from "./budget-audit.js";
import type { FindingSink } from "./finding.js";
import { overpromise } from "./plan-event.js";
import { StageAudit } from "./stage-audit.js";

/** A planned round and what has become of it. */
export interface AuditedRound {
  readonly index: number;
  readonly hash: string;
  /** When it was planned, by the coordinator's clock: what expiry of consents is judged by. */
  readonly time: number;
  readonly plan: RoundPlan;
  readonly event: DpEvent;
  debit?: { readonly index: number; readonly time: number; readonly hash: string };
  /** Hash of the released model, or "" for an answered query. */
  released?: string;
  close?: { readonly index: number; readonly body: RoundClose };
}

interface EligibleCache {
  readonly decidedBefore: number;
  readonly time: number;
  readonly count: number;
  readonly root: string;
  readonly expires: boolean;
}

/** Follows all rounds of a log. */
export class RoundAudit {
  readonly #view: ConsentView;
  readonly #budget: BudgetAudit;
  readonly #sink: FindingSink;
  readonly #byPlan = new Map<string, AuditedRound>();
  readonly #byDebit = new Map<string, AuditedRound>();
  readonly #lastRound = new Map<string, number>();
  readonly #models = new Map<string, Set<string>>();
  readonly #stages: StageAudit;
  readonly #blobs = new Map<string, AuditedRound[]>();
  readonly #eligible = new Map<string, EligibleCache>();
  readonly #events = new Map<string, DpEvent>();
  #lastDecision = 0;

  constructor(view: ConsentView, budget: BudgetAudit, sink: FindingSink) {
    this.#view = view;
    this.#budget = budget;
    this.#sink = sink;
    this.#stages = new StageAudit(sink);
  }

  /** Every planned round, in log order. */
  get rounds(): IterableIterator<AuditedRound> {
    return this.#byPlan.values();
  }

  /** Hashes of the cohort blobs that closes name, in order of first mention, with the rounds that name each. */
  get blobs(): ReadonlyMap<string, readonly AuditedRound[]> {
    return this.#blobs;
  }

  /** Checks an entry, which the view does not hold yet. */
  take(index: number, entry: Entry): void {
    switch (entry.type) {
      case "round.plan":
        this.#plan(index, entryLeafHash(entry), entry.ts, entry.body);
        break;
      case "budget.debit":
        this.#debit({ index, time: entry.ts, hash: entryLeafHash(entry) }, entry.body);
        break;
      case "model.release":
        this.#releaseModel(index, entry.body);
        break;
      case "model.stage":
        this.#stages.take(index, entry.body);
        break;
      case "analytics.release":
        this.#releaseAnswer(index, entry.body);
        break;
      case "round.close":
        this.#close(index, entry.body);
        break;
      case "policy.publish":
      case "consent.given":
      case "consent.refused":
      case "consent.withdrawn":
      case "consent.reaffirmed":
      case "consent.expired":
      case "erasure":
        this.#lastDecision = index;
        break;
      default:
        break;
    }
  }

  #plan(index: number, hash: string, time: number, plan: RoundPlan): void {
    const { population } = plan;
    const round: AuditedRound = { index, hash, time, plan, event: this.#event(plan.privacy.event) };
    this.#byPlan.set(hash, round);
    const expected = (this.#lastRound.get(population) ?? 0) + 1;
    if (plan.round !== expected)
      this.#sink.entry("PLAN_ROUND", index, `The next round of ${population} is ${expected}, not ${plan.round}.`);
    this.#lastRound.set(population, plan.round);

    const policy = this.#view.policy(population)?.policy;
    if (policy?.policy !== plan.policy)
      this.#sink.entry("PLAN_POLICY", index, `Policy ${plan.policy} of ${population} is not in force.`);
    else if (!policy.purposes.includes(plan.purpose))
      this.#sink.entry("PLAN_POLICY", index, `The policy has no purpose ${plan.purpose}.`);

    if (plan.consentTreeSize > index)
      this.#sink.entry(
        "PLAN_TREE_SIZE",
        index,
        `Only ${index} entries came before the plan, not ${plan.consentTreeSize}.`,
      );
    else this.#checkEligible(index, time, plan);

    const models = this.#models.get(population);
    if (models === undefined) this.#models.set(population, new Set([plan.model.sha256]));
    else if (!models.has(plan.model.sha256))
      this.#sink.entry("PLAN_MODEL", index, `The model ${plan.model.sha256} was never released in ${population}.`);
    // The first of these is the round's own.
    for (const model of plan.staleness?.models.slice(1) ?? [])
      if (models?.has(model) !== true)
        this.#sink.entry(
          "PLAN_MODEL",
          index,
          `Updates of the model ${model} are taken, which was never released in ${population}.`,
        );

    const reason = overpromise(plan, round.event);
    if (reason !== undefined) this.#sink.entry("PLAN_EVENT", index, reason);
    const { divisor } = plan.privacy;
    if (divisor !== plan.cohort.target)
      this.#sink.entry(
        "PLAN_DIVISOR",
        index,
        `The divisor is ${divisor}, the cohort aims for ${plan.cohort.target} participants.`,
      );
    this.#budget.reserve(index, round);
  }

  /** Equal events are one object, so that accountants compute each curve once. */
  #event(json: EventJson): DpEvent {
    const text = canonicalText(json);
    const known = this.#events.get(text) ?? decodeEvent(json);
    this.#events.set(text, known);
    return known;
  }

  #checkEligible(index: number, time: number, plan: RoundPlan): void {
    const { population, purpose, consentTreeSize, eligible } = plan;
    const key = `${population}\n${purpose}`;
    let known = this.#eligible.get(key);
    const current = known !== undefined && known.decidedBefore > this.#lastDecision;
    if (known === undefined || !current || known.expires || consentTreeSize <= this.#lastDecision) {
      const subjects = this.#view.eligible(population, purpose, time, consentTreeSize);
      known = {
        decidedBefore: consentTreeSize,
        time,
        count: subjects.length,
        root: eligibleRoot(subjects),
        expires: subjects.some((subject) => this.#view.status(subject, purpose).record?.event.validUntil !== null),
      };
      this.#eligible.set(key, known);
    }
    if (eligible.count !== known.count || eligible.root !== known.root)
      this.#sink.entry(
        "PLAN_ELIGIBLE",
        index,
        `At tree size ${consentTreeSize} there were ${known.count} with valid consent; the plan says ${eligible.count}, or lists others.`,
      );
  }

  #debit(place: { readonly index: number; readonly time: number; readonly hash: string }, debit: BudgetDebit): void {
    const { index, hash } = place;
    const round = this.#byPlan.get(debit.plan);
    if (round === undefined || round.plan.population !== debit.population || round.plan.round !== debit.round) {
      this.#sink.entry("DEBIT_PLAN", index, `No plan of round ${debit.round} of ${debit.population} has this hash.`);
      return;
    }
    if (round.close !== undefined)
      this.#sink.entry(
        "DEBIT_PLAN",
        index,
        `Round ${debit.round} was closed at entry ${round.close.index}, before its debit.`,
      );
    if (round.debit !== undefined)
      this.#sink.entry("DEBIT_REPEATED", index, `Round ${debit.round} was debited at entry ${round.debit.index}.`);
    round.debit ??= place;
    this.#byDebit.set(hash, round);
    this.#budget.debit(place, debit, round);
  }

  #paid(index: number, release: ModelRelease | AnalyticsRelease): AuditedRound | undefined {
    const round = this.#byDebit.get(release.debit);
    if (round === undefined || round.plan.population !== release.population || round.plan.round !== release.round) {
      this.#sink.entry(
        "RELEASE_UNPAID",
        index,
        `Round ${release.round} of ${release.population} has no such debit before.`,
      );
      return undefined;
    }
    if (round.released !== undefined)
      this.#sink.entry("RELEASE_REPEATED", index, `The result of round ${release.round} was released before.`);
    return round;
  }

  #releaseModel(index: number, release: ModelRelease): void {
    const round = this.#paid(index, release);
    if (round === undefined) return;
    round.released = release.model;
    this.#models.get(release.population)?.add(release.model);
    this.#stages.release(release);
    if (round.plan.kind !== "train")
      this.#sink.entry(
        "RELEASE_UNPAID",
        index,
        `Round ${release.round} was planned to evaluate, not to release a model.`,
      );
  }

  #releaseAnswer(index: number, release: AnalyticsRelease): void {
    const round = this.#paid(index, release);
    if (round === undefined) return;
    round.released = "";
    if (release.plan !== round.hash)
      this.#sink.entry("DEBIT_EVENT", index, "The release names another plan than the debit that paid for it.");
    if (!sameEvent(release.event, round.plan.privacy.event))
      this.#sink.entry("DEBIT_EVENT", index, "The release states another mechanism event than the plan.");
  }

  #close(index: number, close: RoundClose): void {
    const round = this.#byPlan.get(close.plan);
    if (round === undefined || round.plan.population !== close.population || round.plan.round !== close.round) {
      this.#sink.entry("CLOSE_PLAN", index, `No plan of round ${close.round} of ${close.population} has this hash.`);
      if (close.cohort?.blob != null) this.#blobs.set(close.cohort.blob, this.#blobs.get(close.cohort.blob) ?? []);
      return;
    }
    if (round.close !== undefined)
      this.#sink.entry("CLOSE_REPEATED", index, `Round ${close.round} was closed at entry ${round.close.index}.`);
    round.close ??= { index, body: close };
    const blob = close.cohort?.blob;
    if (blob !== null && blob !== undefined) this.#blobs.set(blob, [...(this.#blobs.get(blob) ?? []), round]);
    if (close.outcome === "completed") this.#checkCompleted(index, close, round);
    // What was debited was used, whatever the outcome says: its participants must be known.
    if (round.debit !== undefined && (close.cohort === null || (close.cohort.size > 0 && close.cohort.blob === null)))
      this.#sink.entry(
        "CLOSE_COHORT",
        index,
        `Round ${close.round} was debited; the list of its participants is missing.`,
      );
  }

  #checkCompleted(index: number, close: RoundClose, round: AuditedRound): void {
    const size = close.cohort?.size ?? 0;
    if (size < round.plan.cohort.minimum)
      this.#sink.entry("CLOSE_COHORT", index, `${size} took part; the plan demands ${round.plan.cohort.minimum}.`);
    if (round.debit === undefined)
      this.#sink.entry("CLOSE_UNPAID", index, `Round ${close.round} is completed, but its budget was not debited.`);
    const released = round.released === undefined || round.released === "" ? null : round.released;
    if (close.modelOut !== released)
      this.#sink.entry(
        "CLOSE_MODEL",
        index,
        `The close names the model ${close.modelOut ?? "none"}; released was ${released ?? "none"}.`,
      );
  }
}
