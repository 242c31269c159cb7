import { createHash } from "node:crypto";
import { canonicalBytes, type EntryBodies, sealView } from "@fedloop/consent";
import type { DpEvent } from "@fedloop/privacy";
import type { Committer, LedgerTransaction } from "../ledger/ledger.js";
import { registerRelease } from "../models/model-registry.js";
import type { RoundKind } from "../store/database.js";
import { statementRows } from "../store/statement-rows.js";
import type { Member } from "./cohort.js";
import type { StoredRun } from "./noise-run.js";
import type { AbandonReason, RoundState } from "./states.js";

/** The round.plan entry of a round that has been reserved. */
export interface LoggedPlan {
  readonly index: number;
  /** Leaf hash, 32 bytes. */
  readonly hash: Uint8Array;
  readonly body: EntryBodies["round.plan"];
}

/** Where a released model is: content-addressed, with what the strategy carries on. */
export interface ReleasedModel {
  readonly sha256: Uint8Array;
  readonly strategyState: Uint8Array | null;
  /** Whether it goes to devices by itself. */
  readonly promotes: boolean;
}

/** Result of an evaluation, as the ledger names it. */
export interface ReleasedMetrics {
  /** SHA-256 of the query: trainer, settings and model. */
  readonly query: Uint8Array;
  readonly minimumCohort: number;
  /** The noised metric, as JSON. */
  readonly metrics: string;
}

/** To whom cohort lists are sealed; with no auditors they are open. */
export interface CohortSealing {
  /** The log's name. */
  readonly log: string;
  /** X25519 keys of 32 bytes. */
  readonly auditors: readonly Uint8Array[];
}

interface RoundChanges {
  readonly state: RoundState;
  readonly deadline_ms?: number | null;
  readonly plan_index?: number;
  readonly plan_hash?: Uint8Array;
  readonly reason?: string;
  readonly model_out?: Uint8Array;
  readonly strategy_state?: Uint8Array | null;
  readonly aggregate?: Uint8Array;
  readonly cohort?: Uint8Array;
  readonly metrics?: string;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/**
 * The durable side of one round: each method is one transition, in one database transaction with its ledger entries.
 */
export class RoundRecord {
  readonly population: string;
  readonly round: number;
  readonly #ledger: Committer;
  readonly #clock: { now(): number };
  readonly #sealing: CohortSealing;

  constructor(
    ledger: Committer,
    clock: { now(): number },
    population: string,
    round: number,
    sealing: CohortSealing = { log: "", auditors: [] },
  ) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#sealing = sealing;
    this.population = population;
    this.round = round;
  }

  /** A round that was refused before its plan entered the log gives its number to this one: plans are numbered without gaps. */
  async planned(kind: RoundKind, event: DpEvent, modelIn: Uint8Array): Promise<void> {
    const row = {
      kind,
      state: "planned" as const,
      state_since_ms: this.#clock.now(),
      reason: null,
      event: JSON.stringify(event),
      model_in: modelIn,
    };
    await this.#ledger.commit(async (tx) => {
      await tx.db
        .insertInto("rounds")
        .values({ population: this.population, round: this.round, ...row })
        .onConflict((conflict) => conflict.columns(["population", "round"]).doUpdateSet(row))
        .execute();
    });
  }

  /**
   * The plan enters the log before anyone is asked to take part.
   *
   * @param untilMs when what it says of those who consent is no longer true
   * @returns undefined where the log's time has come to that: nothing was written then
   */
  async reserved(body: EntryBodies["round.plan"], untilMs: number): Promise<LoggedPlan | undefined> {
    const { result } = await this.#ledger.commit(async (tx) => {
      if (tx.timeMs >= untilMs) return undefined;
      const plan = await tx.append("round.plan", body);
      await this.#update(tx, { state: "reserved", plan_index: plan.index, plan_hash: plan.leafHash });
      return plan;
    });
    return result === undefined ? undefined : { index: result.index, hash: result.leafHash, body };
  }

  /** A transition that changes nothing but the state and its deadline. */
  async entered(state: RoundState, deadlineMs: number | null): Promise<void> {
    await this.#ledger.commit((tx) => this.#update(tx, { state, deadline_ms: deadlineMs }));
  }

  async configured(members: readonly Member[]): Promise<void> {
    await this.#ledger.commit(async (tx) => {
      await this.#update(tx, { state: "configured", deadline_ms: null });
      for (const some of statementRows(members)) {
        const rows = some.map((member) => ({
          ...this.#participant(member),
          state: "joined" as const,
        }));
        await tx.db.insertInto("participants").values(rows).execute();
      }
    });
  }

  /**
   * The noised sum is durable under its hash: from here on the budget counts as spent.
   *
   * @param submitted those whose update is in the sum; the other members are marked as dropped
   * @param run where the round's run stands now; null for a round by itself
   */
  async aggregated(aggregate: Uint8Array, submitted: readonly Member[], run: StoredRun | null): Promise<void> {
    await this.#ledger.commit(async (tx) => {
      await this.#update(tx, { state: "aggregated", deadline_ms: null, aggregate });
      if (run !== null) {
        await tx.db
          .insertInto("noise_runs")
          .values({ population: this.population, ...run })
          .onConflict((conflict) => conflict.column("population").doUpdateSet(run))
          .execute();
      }
      await this.#participants(tx).set({ state: "dropped" }).execute();
      for (const some of statementRows(submitted)) {
        const rows = some.map((member) => ({
          ...this.#participant(member),
          mask_key: member.maskKey,
          state: "submitted" as const,
        }));
        await tx.db
          .insertInto("participants")
          .values(rows)
          .onConflict((conflict) =>
            conflict
              .columns(["population", "round", "device_id"])
              .doUpdateSet((eb) => ({ state: eb.ref("excluded.state"), mask_key: eb.ref("excluded.mask_key") })),
          )
          .execute();
      }
    });
  }

  /** @returns the leaf hash of the debit */
  async debited(body: EntryBodies["budget.debit"]): Promise<Uint8Array> {
    const { result } = await this.#ledger.commit(async (tx) => {
      const debit = await tx.append("budget.debit", body);
      await this.#update(tx, { state: "debited" });
      return debit;
    });
    return result.leafHash;
  }

  async releasedModel(debit: Uint8Array, model: ReleasedModel): Promise<void> {
    await this.#ledger.commit(async (tx) => {
      await tx.append("model.release", {
        population: this.population,
        round: this.round,
        model: base64url(model.sha256),
        debit: base64url(debit),
      });
      await this.#update(tx, { state: "released", model_out: model.sha256, strategy_state: model.strategyState });
      await tx.db
        .insertInto("models")
        .values({
          sha256: model.sha256,
          population: this.population,
          round: this.round,
          created_ms: this.#clock.now(),
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const { round, population } = this;
      await registerRelease(tx, population, model.sha256, {
        round,
        promotes: model.promotes,
        nowMs: this.#clock.now(),
      });
    });
  }

  async releasedMetrics(plan: LoggedPlan, debit: Uint8Array, release: ReleasedMetrics): Promise<void> {
    await this.#ledger.commit(async (tx) => {
      await tx.append("analytics.release", {
        population: this.population,
        round: this.round,
        plan: base64url(plan.hash),
        query: base64url(release.query),
        event: plan.body.privacy.event,
        minimumCohort: release.minimumCohort,
        debit: base64url(debit),
      });
      await this.#update(tx, { state: "released", metrics: release.metrics });
    });
  }

  /** Closes the round; who took part goes into a blob that the entry names by its hash. */
  async closed(plan: LoggedPlan, hashes: { aggregate: Uint8Array; modelOut: Uint8Array | null }): Promise<void> {
    await this.#ledger.commit(async (tx) => {
      const members = await tx.db
        .selectFrom("participants")
        .select(["subject", "consent_index", "join_signature", "mask_key"])
        .where("population", "=", this.population)
        .where("round", "=", this.round)
        .where("state", "=", "submitted")
        .orderBy("subject")
        .execute();
      const list = canonicalBytes(
        members.map((member) => ({
          subject: member.subject,
          consent: member.consent_index,
          join: base64url(member.join_signature),
          maskKey: member.mask_key === null ? null : base64url(member.mask_key),
        })),
      );
      const { log, auditors } = this.#sealing;
      const cohort = auditors.length === 0 ? list : await sealView(list, auditors, { log, plan: base64url(plan.hash) });
      const blob = createHash("sha256").update(cohort).digest();
      await tx.db
        .insertInto("blobs")
        .values({ sha256: blob, bytes: cohort })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await tx.append("round.close", {
        population: this.population,
        round: this.round,
        plan: base64url(plan.hash),
        outcome: "completed",
        reason: null,
        cohort: { size: members.length, blob: base64url(blob) },
        aggregate: base64url(hashes.aggregate),
        modelOut: hashes.modelOut === null ? null : base64url(hashes.modelOut),
      });
      await this.#update(tx, { state: "closed", cohort: blob });
    });
  }

  /** @param plan undefined when the round was given up before its plan entered the log */
  async abandoned(plan: LoggedPlan | undefined, reason: AbandonReason): Promise<void> {
    await this.#ledger.commit(async (tx) => {
      await this.#update(tx, { state: "abandoned", reason, deadline_ms: null });
      await this.#participants(tx).set({ state: "dropped" }).where("state", "in", ["joined", "submitted"]).execute();
      if (plan === undefined) return;
      await tx.append("round.close", {
        population: this.population,
        round: this.round,
        plan: base64url(plan.hash),
        outcome: "abandoned",
        reason,
        cohort: null,
        aggregate: null,
        modelOut: null,
      });
    });
  }

  async #update(tx: LedgerTransaction, changes: RoundChanges): Promise<void> {
    await tx.db
      .updateTable("rounds")
      .set({ ...changes, state_since_ms: this.#clock.now() })
      .where("population", "=", this.population)
      .where("round", "=", this.round)
      .execute();
  }

  #participant(member: Member) {
    return {
      population: this.population,
      round: this.round,
      device_id: Buffer.from(member.device.id, "base64url"),
      subject: member.device.subject,
      consent_index: member.consentIndex,
      join_signature: member.joinSignature,
      joined_ms: member.joinedMs,
    };
  }

  #participants(tx: LedgerTransaction) {
    return tx.db.updateTable("participants").where("population", "=", this.population).where("round", "=", this.round);
  }
}
