import { ConsentView, parseEntry, parseEpsilon, roundUpEpsilon } from "@fedloop/consent";
import { loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import type { PopulationPlan } from "../plan/population-plan.js";
import type { PopulationBudget, RoundCost } from "../rounds/budget.js";
import { buildSchedule } from "../rounds/build-schedule.js";
import { claimedEpsilon, type Epsilons } from "../rounds/epsilons.js";
import { nextPosition, runName } from "../rounds/noise-run.js";
import { PopulationState, type StoredRound } from "../rounds/population-state.js";
import { costOf, type RoundSpec } from "../rounds/round-spec.js";
import type { Schedule } from "../rounds/schedule.js";
import { storeLocation } from "../server/storage.js";
import { openStoreReader } from "../store/location.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { epsilonJson } from "./event-input.js";
import type { Surroundings } from "./surroundings.js";

export interface BudgetOptions {
  readonly config: string;
  /** Lists each participant. */
  readonly participants: boolean;
  readonly json: boolean;
}

/** ε by each accountant; the larger is held against the cap. */
type EpsilonsJson = { readonly [Name in keyof Epsilons]: number | "unbounded" | null };

interface RoundBudget {
  readonly round: number;
  readonly kind: "train" | "evaluate";
  /** What the population's ε will be once it is spent. */
  readonly after: EpsilonsJson;
  /** By how much that is above what is spent. */
  readonly cost: number | "unbounded";
  readonly isAllowed: boolean;
}

interface ParticipantBudget {
  readonly subject: string;
  readonly rounds: number;
  readonly spent: number | "unbounded";
  /** What the round under way will add, for who is in it; 0 for the others. */
  readonly reserved: number | "unbounded";
  /** The lowest of the population's cap, the plan's limit and the participant's own. */
  readonly limit: number | "unbounded";
  readonly left: number | "unbounded";
}

interface BudgetReport {
  readonly population: string;
  readonly unit: string;
  readonly delta: number;
  readonly cap: number | "unbounded";
  readonly spent: EpsilonsJson;
  /** Of the round under way; null between rounds, and once its budget is spent. */
  readonly reserved: RoundBudget | null;
  readonly left: number | "unbounded";
  /** Null when the plan's rounds are done. */
  readonly next: RoundBudget | null;
  readonly participants: {
    readonly count: number;
    /** The largest ε of one of them. */
    readonly largest: number | "unbounded";
    readonly each?: readonly ParticipantBudget[];
  };
}

function epsilonsJson({ rdp, pld, enforced }: Epsilons): EpsilonsJson {
  return { rdp: epsilonJson(rdp), pld: pld === null ? null : epsilonJson(pld), enforced: epsilonJson(enforced) };
}

/** What is left of a limit; none where nothing bounds. */
function leftOf(limit: number, spent: number): number {
  return Number.isFinite(limit) ? Math.max(limit - spent, 0) : Number.POSITIVE_INFINITY;
}

/** What the next round of this kind costs: nothing more where its run is paid for. */
function costOfNext(spec: RoundSpec, state: PopulationState): RoundCost {
  return costOf(spec, runName(nextPosition(spec, state.run), undefined));
}

function roundBudget(budget: PopulationBudget, cost: RoundCost, kind: RoundSpec["kind"], round: number): RoundBudget {
  const after = budget.after(cost);
  const { spent } = budget;
  return {
    round,
    kind,
    after: epsilonsJson(after),
    cost: epsilonJson(after.enforced === spent ? 0 : after.enforced - spent),
    isAllowed: budget.allows(cost),
  };
}

/** Who is in a round under way. */
async function membersOf(store: StoreReader, population: string, round: number | undefined): Promise<Set<string>> {
  if (round === undefined) return new Set();
  const rows = await store.db
    .selectFrom("participants")
    .select("subject")
    .where("population", "=", population)
    .where("round", "=", round)
    .where("state", "in", ["joined", "submitted"])
    .execute();
  return new Set(rows.map(({ subject }) => subject));
}

interface Standing {
  readonly schedule: Schedule;
  readonly state: PopulationState;
  readonly view: ConsentView;
  readonly members: ReadonlySet<string>;
  readonly underWay: RoundSpec | undefined;
}

function participantBudget(subject: string, { schedule, state, view, members, underWay }: Standing): ParticipantBudget {
  const { cap, purpose, participantCap } = schedule;
  const own = view.status(subject, purpose).record?.limits;
  const limit = Math.min(participantCap.epsilon, parseEpsilon(own?.epsilon ?? "unbounded"));
  const spent = state.participants.epsilonWith(subject, undefined, cap.delta);
  const isReserved = underWay !== undefined && members.has(subject);
  const after = isReserved ? state.participants.epsilonWith(subject, costOfNext(underWay, state), cap.delta) : spent;
  return {
    subject,
    rounds: state.participants.rounds(subject),
    spent: epsilonJson(spent),
    reserved: epsilonJson(after === spent ? 0 : after - spent),
    limit: epsilonJson(limit),
    left: epsilonJson(leftOf(limit, after)),
  };
}

function isPaid({ state }: StoredRound): boolean {
  return state === "debited" || state === "released";
}

async function reportOf(
  store: StoreReader,
  plan: PopulationPlan,
  view: ConsentView,
  isListed: boolean,
): Promise<BudgetReport> {
  const { population } = plan;
  const schedule = buildSchedule(plan, view.policy(population)?.policy.policy ?? 1);
  const { state, underWay } = await PopulationState.load(store, schedule, new Uint8Array(32));
  const { budget, participants } = state;
  const spec = schedule.rounds[state.completed];
  const isReserved = underWay !== undefined && spec !== undefined && !isPaid(underWay);
  const following = underWay === undefined ? spec : schedule.rounds[state.completed + 1];
  const members = await membersOf(store, population, underWay?.round);
  const standing = { schedule, state, view, members, underWay: isReserved ? spec : undefined };
  const subjects = [...new Set([...participants.subjects(), ...members])].sort();
  const each = subjects.map((subject) => participantBudget(subject, standing));
  const { epsilon: cap, delta } = schedule.cap;
  const spent = budget.epsilons;
  const reserved = isReserved ? roundBudget(budget, costOfNext(spec, state), spec.kind, underWay.round) : null;
  if (isReserved) {
    // The next round comes on top of the one under way.
    budget.reserve(costOfNext(spec, state));
    budget.debit();
  }
  const round = (underWay?.round ?? state.lastRound) + 1;
  const largest = Math.max(0, ...each.map((one) => (one.spent === "unbounded" ? Number.POSITIVE_INFINITY : one.spent)));
  return {
    population,
    unit: plan.privacy.unit,
    delta,
    cap: epsilonJson(cap),
    spent: epsilonsJson(spent),
    reserved,
    left: epsilonJson(leftOf(cap, budget.spent)),
    next: following === undefined ? null : roundBudget(budget, costOfNext(following, state), following.kind, round),
    participants: { count: each.length, largest: epsilonJson(largest), ...(isListed ? { each } : {}) },
  };
}

async function consentView(store: StoreReader): Promise<ConsentView> {
  const view = new ConsentView();
  const rows = await store.db.selectFrom("entries").select(["index", "bytes"]).orderBy("index").execute();
  for (const { index, bytes } of rows) view.apply(index, parseEntry(bytes));
  return view;
}

function rounded(epsilon: number | "unbounded" | null): string {
  if (epsilon === null) return "not known";
  return epsilon === "unbounded" ? epsilon : claimedEpsilon(roundUpEpsilon(epsilon));
}

/** What is left is rounded down: nobody is to count on more. */
function roundedDown(left: number | "unbounded"): string {
  return left === "unbounded" ? left : String(Math.floor(left * 1e6) / 1e6);
}

function byBoth({ rdp, pld, enforced }: EpsilonsJson): string {
  return `ε ${rounded(enforced)} (RDP ${rounded(rdp)}, PLD ${rounded(pld)})`;
}

function roundText(what: string, { round, kind, after, cost, isAllowed }: RoundBudget): string {
  const verdict = isAllowed ? "" : "; it will be refused";
  return `  ${what} round ${round} (${kind}) costs ε ${rounded(cost)}, after it ${byBoth(after)}${verdict}\n`;
}

function textOf(report: BudgetReport): string {
  const { population, unit, delta, cap, spent, reserved, left, next, participants } = report;
  const many = participants.count === 1 ? "1 participant" : `${participants.count} participants`;
  let text = `${population}: ε for each ${unit}, at δ = ${delta}; the larger of both accountants counts\n`;
  text += `  spent     ${byBoth(spent)} of ${rounded(cap)}\n`;
  text += reserved === null ? "  reserved  nothing\n" : roundText("reserved ", reserved);
  text += `  left      ε ${roundedDown(left)}\n`;
  text += next === null ? "  next      no more rounds in the plan\n" : roundText("next     ", next);
  text += `  ${many} counted; the one who spent most: ε ${rounded(participants.largest)}\n`;
  for (const one of participants.each ?? []) {
    const { subject, rounds, limit } = one;
    text += `  ${subject}  ${rounds} rounds, spent ε ${rounded(one.spent)}, reserved ${rounded(one.reserved)}, `;
    text += `left ${roundedDown(one.left)} of ${rounded(limit)}\n`;
  }
  return text;
}

/** Says what each population and its participants have spent and have left, whether the coordinator runs or not. */
export async function printBudgets(options: BudgetOptions, { environment, print }: Surroundings): Promise<void> {
  const config = await loadConfig(options.config, environment);
  await using store = await openStoreReader(storeLocation(await storagePlaces(config, environment)));
  const view = await consentView(store);
  const rows = await store.db.selectFrom("populations").selectAll().orderBy("name").execute();
  const populations: BudgetReport[] = [];
  for (const row of rows) populations.push(await reportOf(store, JSON.parse(row.plan), view, options.participants));
  print(options.json ? `${JSON.stringify({ populations })}\n` : populations.map(textOf).join(""));
}
