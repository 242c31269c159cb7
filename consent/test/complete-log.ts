// A small log with one of everything, and its bundle.
import { epsilonOf } from "@fedloop/privacy";
import {
  type BudgetDebit,
  blobsNamedBy,
  type CohortMember,
  decodeEvent,
  encodeUtf8,
  formatEpsilon,
  type ModelStage,
  type ModelStanding,
  type RoundClose,
  type RoundPlan,
  roundUpEpsilon,
  sha256Text,
  standingAfter,
  writeBundle,
} from "../src/index.js";
import { LogAuthor, planBody, policyBody, population, type TestDevice, testDevice } from "./author.js";

const delta = 1e-5;

/** ε after a number of rounds of a plan's event, as the ledger writes it. */
export function epsilonAfter(rounds: number, { privacy }: RoundPlan = planBody(1, 1, [])): string {
  const event = decodeEvent(privacy.event);
  const { epsilon } = epsilonOf({ type: "SelfComposed", count: rounds, event }, delta, "rdp");
  return formatEpsilon(roundUpEpsilon(epsilon));
}

/** What a test may change in a round that is otherwise in order. */
export interface RoundChanges {
  readonly plan?: (plan: RoundPlan) => RoundPlan;
  readonly debit?: (debit: BudgetDebit) => BudgetDebit;
  readonly member?: (member: CohortMember) => CohortMember;
  readonly close?: (close: RoundClose) => RoundClose;
  /** What happens between the plan and the debit, and between the debit and the close. */
  readonly beforeDebit?: () => Promise<unknown>;
  readonly beforeClose?: () => Promise<unknown>;
  readonly without?: readonly ("debit" | "release" | "close")[];
}

/** Writes rounds, each with its plan, debit, release and close, and remembers what the next one builds on. */
export class RoundAuthor {
  readonly author: LogAuthor;
  round = 0;
  debits = 0;
  model: string = sha256Text(encodeUtf8("model 0"));
  lastDebit: string | null = null;
  #standing: ModelStanding = { live: null, canary: null };

  constructor(author: LogAuthor) {
    this.author = author;
  }

  /** The plan of the next round. */
  async plan(change: (plan: RoundPlan) => RoundPlan = (plan) => plan): Promise<string> {
    this.round++;
    const reservation = { epsilon: epsilonAfter(this.debits + 1), delta: "0.00001", cap: "4" };
    return this.author.plan(this.round, (plan) =>
      change({ ...plan, model: { ...plan.model, sha256: this.model }, reservation }),
    );
  }

  /** A whole training round with these participants. */
  async complete(devices: readonly TestDevice[], changes: RoundChanges = {}): Promise<void> {
    const { author } = this;
    const without = changes.without ?? [];
    const plan = await this.plan(changes.plan);
    const cohort = author.cohort(plan, this.round, devices, changes.member);
    await changes.beforeDebit?.();
    const { round } = this;
    const model = sha256Text(encodeUtf8(`model ${round}`));
    if (!without.includes("debit")) {
      this.debits++;
      const debit: BudgetDebit = {
        population,
        round,
        plan,
        event: planBody(round, 1, []).privacy.event,
        accountant: "rdp",
        epsilon: epsilonAfter(this.debits),
        delta: "0.00001",
        prior: this.lastDebit,
      };
      this.lastDebit = await author.write({ type: "budget.debit", body: changes.debit?.(debit) ?? debit });
    }
    const released = !without.includes("release");
    if (released)
      await author.write({ type: "model.release", body: { population, round, model, debit: this.lastDebit ?? plan } });
    await changes.beforeClose?.();
    const close: RoundClose = {
      population,
      round,
      plan,
      outcome: "completed",
      reason: null,
      cohort,
      aggregate: sha256Text(encodeUtf8(`sum ${round}`)),
      modelOut: released ? model : null,
    };
    if (released) this.model = model;
    if (!without.includes("close")) await author.write({ type: "round.close", body: changes.close?.(close) ?? close });
  }

  /** The last round's model goes to another stage; `changes` makes the entry say something else. */
  async stage(stage: ModelStage["stage"], changes: Partial<ModelStage> = {}): Promise<void> {
    const change = { round: this.round, model: this.model, stage, share: changes.share ?? null };
    this.#standing = standingAfter(this.#standing, change);
    const body = { population, ...change, standing: this.#standing, ...changes };
    await this.author.write({ type: "model.stage", body });
  }

  /** A round that is planned and given up before anything was spent. */
  async abandon(): Promise<void> {
    const plan = await this.plan();
    await this.author.write({
      type: "round.close",
      body: {
        population,
        round: this.round,
        plan,
        outcome: "abandoned",
        reason: "COHORT_TOO_SMALL",
        cohort: null,
        aggregate: null,
        modelOut: null,
      },
    });
  }

  /** An evaluation round that answers a query. */
  async evaluate(devices: readonly TestDevice[]): Promise<void> {
    const { author } = this;
    const plan = await this.plan((plan) => ({ ...plan, kind: "evaluate" }));
    const { round } = this;
    const { event } = planBody(round, 1, []).privacy;
    const cohort = author.cohort(plan, round, devices);
    this.debits++;
    const epsilon = epsilonAfter(this.debits);
    const debit = await author.write({
      type: "budget.debit",
      body: { population, round, plan, event, accountant: "rdp", epsilon, delta: "0.00001", prior: this.lastDebit },
    });
    this.lastDebit = debit;
    const query = sha256Text(encodeUtf8("rmse"));
    await author.write({
      type: "analytics.release",
      body: { population, round, plan, query, event, minimumCohort: 2, debit },
    });
    await author.write({
      type: "round.close",
      body: {
        population,
        round,
        plan,
        outcome: "completed",
        reason: null,
        cohort,
        aggregate: sha256Text(encodeUtf8("sums")),
        modelOut: null,
      },
    });
  }
}

/** A log whose policy is published and to which the devices have consented. */
export async function startedLog(devices: readonly TestDevice[]): Promise<RoundAuthor> {
  const author = new LogAuthor();
  await author.write({ type: "policy.publish", body: policyBody() });
  for (const device of devices) await author.consent(device, "given");
  return new RoundAuthor(author);
}

/** Policy, consents, a refusal, a training round, a withdrawal, an abandoned round, an evaluation, a heartbeat. */
export async function completeLog(): Promise<LogAuthor> {
  const devices = [1, 2, 3].map(testDevice);
  const rounds = await startedLog(devices);
  await rounds.author.consent(testDevice(4), "refused");
  await rounds.complete(devices);
  const [leaving, ...staying] = devices;
  if (leaving !== undefined) await rounds.author.consent(leaving, "withdrawn");
  await rounds.abandon();
  await rounds.evaluate(staying);
  await rounds.author.write({ type: "heartbeat", body: {} });
  return rounds.author;
}

/** Policy, two consents, a training round, a withdrawal. */
export async function shortLog(): Promise<LogAuthor> {
  const devices = [1, 2].map(testDevice);
  const rounds = await startedLog(devices);
  await rounds.complete(devices);
  const [leaving] = devices;
  if (leaving !== undefined) await rounds.author.consent(leaving, "withdrawn");
  return rounds.author;
}

/** The bundle of a log, with a checkpoint and blobs of the test's own where it gives any. */
export async function bundleOf(
  author: LogAuthor,
  changes: {
    readonly checkpoint?: string;
    readonly blobs?: readonly Uint8Array[];
    readonly witnesses?: readonly string[];
    readonly vkey?: string;
  } = {},
): Promise<Uint8Array> {
  const byHash = new Map((changes.blobs ?? author.blobs).map((blob) => [sha256Text(blob), blob]));
  const named = [...new Set(author.entries.flatMap(blobsNamedBy))];
  const pieces: Uint8Array[] = [];
  for await (const piece of writeBundle({
    vkey: changes.vkey ?? author.checkpointSigner.vkey,
    witnesses: changes.witnesses ?? [],
    checkpoint: changes.checkpoint ?? (await author.checkpoint()),
    entries: author.entries,
    blobs: named,
    blob: (sha256) => byHash.get(sha256) ?? new Uint8Array(0),
  }))
    pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}
