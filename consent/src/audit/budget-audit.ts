// The privacy budget of each population, recomputed from the mechanism events in the log.
import { type Accountant, accountantNamed, type DpEvent, type NeighbouringRelation } from "@fedloop/privacy";
import type { EventJson } from "../entries/event.js";
import type { PolicyPublish } from "../entries/policy-publish.js";
import type { BudgetDebit } from "../entries/release.js";
import { parseEpsilon } from "../entries/scalars.js";
import { canonicalText } from "../json/canonical.js";
import type { ConsentTerms, ConsentView } from "../records/view.js";
import type { FindingSink } from "./finding.js";
import {
  claimSlack,
  composed,
  countEvent,
  ParticipantBudgets,
  type ParticipantStep,
  pldEpsilon,
  type RecomputedEpsilon,
} from "./participant-budgets.js";
import type { AuditedRound } from "./round-audit.js";
import { RunAudit } from "./run-audit.js";

/** ε after a debit. */
export interface BudgetStep {
  readonly round: number;
  readonly kind: "train" | "evaluate";
  /** Index and time (milliseconds since 1970) of the debit. */
  readonly index: number;
  readonly time: number;
  /** Recomputed, and as the log claims. */
  readonly epsilon: number;
  readonly claimed: number;
}

/** What a population has spent. */
export interface PopulationReport {
  readonly population: string;
  /** Whose data ε is about, and who counts as a neighbour: the policy's. */
  readonly unit: PolicyPublish["unit"];
  readonly adjacency: PolicyPublish["adjacency"];
  /** Recomputed ε of all debits at δ, by the accountant of the policy. */
  readonly epsilon: number;
  readonly delta: number;
  readonly accountant: "rdp";
  readonly cap: number;
  /** Rounds that were debited. */
  readonly rounds: number;
  /** How many took part at least once. */
  readonly participants: number;
  /** The same ε by both accountants, for all debits and for the participant who spent most. */
  readonly recomputed: { readonly population: RecomputedEpsilon; readonly participant: RecomputedEpsilon };
  /** Everything that was debited, as one event that any accountant can be run on. */
  readonly event: DpEvent;
  /** ε after each debit, in order. */
  readonly history: readonly BudgetStep[];
  /** The largest ε of one participant after each round whose cohort list is in the bundle. */
  readonly participantHistory: readonly ParticipantStep[];
}

interface Account {
  /** With nothing composed. */
  empty: Accountant;
  accountant: Accountant;
  readonly unit: PolicyPublish["unit"];
  adjacency: PolicyPublish["adjacency"];
  delta: number;
  cap: number;
  lastDebit: string | null;
  readonly history: BudgetStep[];
  readonly events: Map<DpEvent, number>;
  readonly participants: ParticipantBudgets;
}

/** The discretisation of a PLD may err on the safe side by so much. */
const pldSlack = 1 - 1e-3;

/** Follows the budgets of all populations of a log. */
export class BudgetAudit {
  readonly #view: ConsentView;
  readonly #sink: FindingSink;
  readonly #accounts = new Map<string, Account>();
  /** Forks of one accountant share the curves of events they have met. */
  readonly #empty = new Map<NeighbouringRelation, Accountant>();
  readonly #runs: RunAudit;

  constructor(view: ConsentView, sink: FindingSink) {
    this.#view = view;
    this.#sink = sink;
    this.#runs = new RunAudit(sink);
  }

  /** Checks a plan's reservation: its claim covers what will be spent, within the cap. */
  reserve(index: number, round: AuditedRound): void {
    const { plan } = round;
    this.#runs.plan(index, round);
    const policy = this.#policy(plan.population);
    if (policy === undefined) return; // reported with the plan
    const { unit } = this.#account(plan.population, policy);
    const isSameUnit = plan.privacy.unit === policy.unit && policy.unit === unit;
    if (!isSameUnit || (plan.privacy.adjacency !== policy.adjacency && plan.privacy.mechanism === "dp-ftrl"))
      this.#sink.entry(
        "PLAN_LIMITS",
        index,
        `The plan is for one ${plan.privacy.unit} (${plan.privacy.adjacency}); the policy's ε is for one ${policy.unit} (${policy.adjacency}), the population's so far for one ${unit}.`,
      );
    const { epsilon, delta, cap } = plan.reservation;
    if (delta !== policy.limits.delta || cap !== policy.limits.epsilon)
      this.#sink.entry(
        "PLAN_LIMITS",
        index,
        `The plan reserves at δ ${delta} under a cap of ${cap}; the policy says δ ${policy.limits.delta} and ${policy.limits.epsilon}.`,
      );
    const claimed = parseEpsilon(epsilon);
    if (claimed > parseEpsilon(policy.limits.epsilon))
      this.#sink.entry(
        "PLAN_LIMITS",
        index,
        `The plan reserves ε ${epsilon}, above the policy's ${policy.limits.epsilon}.`,
      );
    const after = this.#after(index, this.#account(plan.population, policy), round);
    if (after !== undefined && claimed < after.epsilon * claimSlack)
      this.#sink.entry(
        "EPSILON_UNDERSTATED",
        index,
        `The plan reserves ε ${epsilon}; its events give ${after.epsilon}.`,
      );
  }

  /** Counts a debit and checks its claim, its chain and the cap. */
  debit(
    place: { readonly index: number; readonly time: number; readonly hash: string },
    debit: BudgetDebit,
    round: AuditedRound,
  ): void {
    const { index, time, hash } = place;
    const policy = this.#policy(debit.population);
    if (policy === undefined) return;
    const account = this.#account(debit.population, policy);
    if (debit.prior !== account.lastDebit)
      this.#sink.entry(
        "DEBIT_CHAIN",
        index,
        `The debit before is ${account.lastDebit ?? "none"}, not ${debit.prior ?? "none"}.`,
      );
    account.lastDebit = hash;
    if (!sameEvent(debit.event, round.plan.privacy.event))
      this.#sink.entry("DEBIT_EVENT", index, "The debit states another mechanism event than the plan.");
    if (debit.delta !== policy.limits.delta)
      this.#sink.entry(
        "PLAN_LIMITS",
        index,
        `The debit is at δ ${debit.delta}, the policy's is ${policy.limits.delta}.`,
      );
    // What the devices were promised is the plan's event; what is charged may not be less.
    const after = this.#after(index, account, round);
    if (after === undefined) return;
    account.accountant = after.accountant;
    if (!this.#runs.isPaid(round)) countEvent(account.events, round.event);
    this.#runs.debit(round);
    const claimed = parseEpsilon(debit.epsilon);
    account.history.push({ round: debit.round, kind: round.plan.kind, index, time, epsilon: after.epsilon, claimed });
    if (claimed < after.epsilon * claimSlack)
      this.#sink.entry(
        "EPSILON_UNDERSTATED",
        index,
        `The debit claims ε ${debit.epsilon}; its events give ${after.epsilon}.`,
      );
    if (after.epsilon * claimSlack > account.cap || claimed > account.cap)
      this.#sink.entry(
        "EPSILON_OVER_CAP",
        index,
        `ε ${Math.max(after.epsilon, claimed)} exceeds the policy's cap of ${account.cap}.`,
      );
  }

  /** Counts a participant's part in a debited round. */
  participate(round: AuditedRound, subject: string, record: ConsentTerms, closeIndex: number): void {
    this.#accounts.get(round.plan.population)?.participants.add(round, subject, record.limits, closeIndex);
    this.#runs.participate(round, subject, closeIndex);
  }

  /** Checks every participant's own limits and answers what each population spent. */
  conclude(): PopulationReport[] {
    this.#runs.conclude();
    return [...this.#accounts].map(([population, account]) => {
      const { unit, adjacency, delta, cap, history, events, participants } = account;
      const last = history.at(-1);
      const spent = { rdp: last?.epsilon ?? 0, pld: last === undefined ? 0 : pldEpsilon(events, delta) };
      if (last !== undefined && spent.pld !== null && last.claimed < spent.pld * pldSlack)
        this.#sink.entry(
          "EPSILON_UNDERSTATED",
          last.index,
          `The debit claims ε ${last.claimed}; by PLD it is ${spent.pld}.`,
        );
      return {
        population,
        unit,
        adjacency,
        epsilon: spent.rdp,
        delta,
        accountant: "rdp",
        cap,
        rounds: history.length,
        participants: participants.size,
        recomputed: { population: spent, participant: participants.conclude() },
        event: composed(events),
        history,
        participantHistory: participants.history,
      };
    });
  }

  #after(
    index: number,
    account: Account,
    round: AuditedRound,
  ): { readonly accountant: Accountant; readonly epsilon: number } | undefined {
    try {
      const accountant = account.accountant.fork();
      if (!this.#runs.isPaid(round)) accountant.compose(round.event);
      return { accountant, epsilon: accountant.epsilon(account.delta).epsilon };
    } catch (error) {
      this.#sink.entry("BUDGET_INCOMPUTABLE", index, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  #policy(population: string): PolicyPublish | undefined {
    return this.#view.policy(population)?.policy;
  }

  #account(population: string, policy: PolicyPublish): Account {
    const account = this.#accounts.get(population) ?? this.#opened(policy);
    if (policy.adjacency === "replace-special" && account.adjacency !== policy.adjacency) this.#restate(account);
    account.delta = Number(policy.limits.delta);
    account.cap = parseEpsilon(policy.limits.epsilon);
    this.#accounts.set(population, account);
    return account;
  }

  #emptyOf(adjacency: PolicyPublish["adjacency"]): Accountant {
    const empty = this.#empty.get(adjacency) ?? accountantNamed("rdp", adjacency);
    this.#empty.set(adjacency, empty);
    return empty;
  }

  /**
   * Noise on sums costs the same whether a contribution is removed or replaced by zero; runs are stated for the second only.
   * So a population that comes to have them is counted under that from its beginning.
   */
  #restate(account: Account): void {
    account.adjacency = "replace-special";
    account.empty = this.#emptyOf(account.adjacency);
    account.accountant = account.empty.fork();
    for (const [event, count] of account.events) account.accountant.compose(event, count);
  }

  /** A population's unit is that of its first policy: what was spent under one is not added to another. */
  #opened({ unit, adjacency }: PolicyPublish): Account {
    const empty = this.#emptyOf(adjacency);
    const account: Account = {
      empty,
      accountant: empty.fork(),
      unit,
      adjacency,
      delta: 0,
      cap: 0,
      lastDebit: null,
      history: [],
      events: new Map(),
      participants: new ParticipantBudgets(
        this.#sink,
        () => account.empty,
        () => account.delta,
      ),
    };
    return account;
  }
}

/** Whether two entries state the same mechanism event. */
export function sameEvent(left: EventJson, right: EventJson): boolean {
  return canonicalText(left) === canonicalText(right);
}
