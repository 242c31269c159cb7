// The privacy budget, recomputed from the mechanism events in the log: per population from debits, per participant
// from the rounds it took part in.
import { type Accountant, accountantNamed, type DpEvent } from "@fedloop/privacy";
import type { EventJson } from "../entries/event.js";
import type { PolicyPublish } from "../entries/policy-publish.js";
import type { BudgetDebit } from "../entries/release.js";
import { parseEpsilon } from "../entries/scalars.js";
import { canonicalText } from "../json/canonical.js";
import type { ConsentRecord } from "../records/record.js";
import type { ConsentView } from "../records/view.js";
import type { FindingSink } from "./finding.js";
import type { AuditedRound } from "./round-audit.js";

/** What a population has spent. */
export interface PopulationReport {
  readonly population: string;
  /** Recomputed ε of all debits at δ. */
  readonly epsilon: number;
  readonly delta: number;
  readonly accountant: "rdp";
  readonly cap: number;
  /** Rounds that were debited. */
  readonly rounds: number;
  /** The largest recomputed ε of a single participant, and how many took part at least once. */
  readonly participantEpsilon: number;
  readonly participants: number;
  /** Everything that was debited, as one event that any accountant can be run on. */
  readonly event: DpEvent;
  /** Recomputed and claimed ε after each debit, in order. */
  readonly history: readonly {
    readonly round: number;
    readonly index: number;
    readonly epsilon: number;
    readonly claimed: number;
  }[];
}

interface Account {
  accountant: Accountant;
  delta: number;
  cap: number;
  lastDebit: string | null;
  history: { round: number; index: number; epsilon: number; claimed: number }[];
  readonly events: { readonly event: DpEvent; count: number }[];
  /** Debited rounds of each participant, and the limits its consent states. */
  readonly participants: Map<string, Participation>;
}

interface Participation {
  readonly rounds: AuditedRound[];
  limits: ConsentRecord["limits"];
  closeIndex: number;
}

/** Claims are rounded up to a millionth, so this is only slack for the last bits of another accountant's arithmetic. */
const slack = 1 - 1e-9;

/** Follows the budgets of all populations of a log. */
export class BudgetAudit {
  readonly #view: ConsentView;
  readonly #sink: FindingSink;
  readonly #accounts = new Map<string, Account>();
  /** Forks of one accountant share the curves of events they have met. */
  readonly #empty: Accountant = accountantNamed("rdp", "add-or-remove-one");

  constructor(view: ConsentView, sink: FindingSink) {
    this.#view = view;
    this.#sink = sink;
  }

  /** Checks a plan's reservation: its claim covers what will be spent, within the cap. */
  reserve(index: number, { plan, event }: AuditedRound): void {
    const policy = this.#policy(plan.population);
    if (policy === undefined) return; // reported with the plan
    const { epsilon, delta, cap } = plan.reservation;
    if (delta !== policy.limits.delta || cap !== policy.limits.epsilon)
      this.#sink.entry(
        "PLAN_LIMITS",
        index,
        `The plan reserves at δ ${delta} under a cap of ${cap}; the policy says otherwise.`,
      );
    const claimed = parseEpsilon(epsilon);
    if (claimed > parseEpsilon(policy.limits.epsilon))
      this.#sink.entry(
        "PLAN_LIMITS",
        index,
        `The plan reserves ε ${epsilon}, above the policy's ${policy.limits.epsilon}.`,
      );
    const account = this.#account(plan.population, policy);
    const after = this.#after(index, account, event);
    if (after !== undefined && claimed < after.epsilon * slack)
      this.#sink.entry(
        "EPSILON_UNDERSTATED",
        index,
        `The plan reserves ε ${epsilon}; its events give ${after.epsilon}.`,
      );
  }

  /** Counts a debit and checks its claim, its chain and the cap. */
  debit(index: number, hash: string, debit: BudgetDebit, round: AuditedRound): void {
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
    const after = this.#after(index, account, round.event);
    if (after === undefined) return;
    account.accountant = after.accountant;
    const last = account.events.at(-1);
    if (last !== undefined && JSON.stringify(last.event) === JSON.stringify(round.event)) last.count++;
    else account.events.push({ event: round.event, count: 1 });
    const claimed = parseEpsilon(debit.epsilon);
    account.history.push({ round: debit.round, index, epsilon: after.epsilon, claimed });
    if (claimed < after.epsilon * slack)
      this.#sink.entry(
        "EPSILON_UNDERSTATED",
        index,
        `The debit claims ε ${debit.epsilon}; its events give ${after.epsilon}.`,
      );
    if (after.epsilon * slack > account.cap || claimed > account.cap)
      this.#sink.entry(
        "EPSILON_OVER_CAP",
        index,
        `ε ${Math.max(after.epsilon, claimed)} exceeds the policy's cap of ${account.cap}.`,
      );
  }

  /** Counts a participant's part in a debited round. */
  participate(round: AuditedRound, subject: string, record: ConsentRecord, closeIndex: number): void {
    const account = this.#accounts.get(round.plan.population);
    if (account === undefined) return;
    const known = account.participants.get(subject) ?? { rounds: [], limits: record.limits, closeIndex };
    known.rounds.push(round);
    known.limits = record.limits;
    known.closeIndex = closeIndex;
    account.participants.set(subject, known);
  }

  /** Checks every participant's own limits and answers what each population spent. */
  conclude(): PopulationReport[] {
    return [...this.#accounts].map(([population, account]) => {
      const last = account.history.at(-1);
      return {
        population,
        epsilon: last?.epsilon ?? 0,
        delta: account.delta,
        accountant: "rdp",
        cap: account.cap,
        rounds: account.history.length,
        participantEpsilon: this.#largestParticipant(account),
        participants: account.participants.size,
        event: composed(account.events),
        history: account.history,
      };
    });
  }

  #largestParticipant(account: Account): number {
    const spentBy = new Map<string, number>();
    let largest = 0;
    for (const [subject, { rounds, limits, closeIndex }] of account.participants) {
      const delta = limits.delta === null ? account.delta : Math.min(account.delta, Number(limits.delta));
      const spent = this.#spent(spentBy, rounds, delta, closeIndex);
      largest = Math.max(largest, spent);
      if (limits.epsilon !== null && spent * slack > parseEpsilon(limits.epsilon))
        this.#sink.entry(
          "PARTICIPANT_LIMIT",
          closeIndex,
          `${subject} allowed ε ${limits.epsilon}; its rounds give ${spent}.`,
        );
      if (limits.rounds !== null && rounds.length > limits.rounds)
        this.#sink.entry(
          "PARTICIPANT_LIMIT",
          closeIndex,
          `${subject} allowed ${limits.rounds} rounds; it took part in ${rounds.length}.`,
        );
    }
    return largest;
  }

  /** ε of a set of rounds; participants of the same rounds share the answer. */
  #spent(spentBy: Map<string, number>, rounds: readonly AuditedRound[], delta: number, index: number): number {
    const key = `${delta}:${rounds.map(({ plan }) => plan.round).join()}`;
    const known = spentBy.get(key);
    if (known !== undefined) return known;
    let epsilon = Number.POSITIVE_INFINITY;
    try {
      const accountant = this.#empty.fork();
      for (const { event } of rounds) accountant.compose(event);
      epsilon = accountant.epsilon(delta).epsilon;
    } catch (error) {
      this.#sink.entry("BUDGET_INCOMPUTABLE", index, error instanceof Error ? error.message : String(error));
    }
    spentBy.set(key, epsilon);
    return epsilon;
  }

  #after(
    index: number,
    account: Account,
    event: DpEvent,
  ): { readonly accountant: Accountant; readonly epsilon: number } | undefined {
    try {
      const accountant = account.accountant.fork();
      accountant.compose(event);
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
    const account = this.#accounts.get(population) ?? {
      accountant: this.#empty.fork(),
      delta: 0,
      cap: 0,
      lastDebit: null,
      history: [],
      events: [],
      participants: new Map<string, Participation>(),
    };
    account.delta = Number(policy.limits.delta);
    account.cap = parseEpsilon(policy.limits.epsilon);
    this.#accounts.set(population, account);
    return account;
  }
}

function composed(events: readonly { readonly event: DpEvent; readonly count: number }[]): DpEvent {
  return {
    type: "Composed",
    events: events.map(({ event, count }) => (count === 1 ? event : { type: "SelfComposed", count, event })),
  };
}

/** Whether two entries state the same mechanism event. */
export function sameEvent(left: EventJson, right: EventJson): boolean {
  return canonicalText(left) === canonicalText(right);
}
