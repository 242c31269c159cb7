import { create } from "@bufbuild/protobuf";
import type { RoundPlan, StalenessPlan } from "@fedloop/consent";
import { OfferSchema, RoundState } from "@fedloop/proto";
import type { GuardCode, VerifiedPlan } from "../../src/index.js";
import { newParticipation, stepParticipation } from "../../src/participation/machine.js";
import type {
  Participation,
  ParticipationEffect,
  ParticipationMessage,
  RoundNews,
  SecureStep,
} from "../../src/participation/phases.js";

function plan(round: number, staleness: StalenessPlan | undefined): VerifiedPlan {
  const body = { purpose: "p", ...(staleness === undefined ? {} : { staleness }) };
  // The machine reads nothing else of a plan.
  return { round, leafHash: "h", body: body as RoundPlan } as VerifiedPlan;
}

export function news(round: number, state: RoundState, isLast = false): RoundNews {
  return { round, state, reason: "WHY", next: { afterMs: 7, beforeMs: 9 }, isLast };
}

/** Sends messages one after the other; those with a task answer the task under way. */
export class Run {
  state: Participation = newParticipation;
  effects: ParticipationEffect[] = [];
  readonly #staleness: StalenessPlan | undefined;

  constructor(staleness?: StalenessPlan) {
    this.#staleness = staleness;
  }

  send(message: ParticipationMessage): this {
    const { participation, effects } = stepParticipation(this.state, message);
    this.state = participation;
    this.effects = [...effects];
    return this;
  }

  offer(round: number): this {
    const offer = create(OfferSchema, { round: BigInt(round) });
    this.send({ type: "checkedIn", task: this.state.task, outcome: { type: "offer", offer, known: null } });
    const checkpoint = { size: 1, root: "", note: "" };
    return this.send({
      type: "verified",
      task: this.state.task,
      verdict: { ok: true, plan: plan(round, this.#staleness), checkpoint },
    });
  }

  /** An offer that the guard does not accept. */
  refusedOffer(round: number, code: GuardCode): this {
    const offer = create(OfferSchema, { round: BigInt(round) });
    this.send({ type: "checkedIn", task: this.state.task, outcome: { type: "offer", offer, known: null } });
    const verdict = { ok: false, code, message: "m", fork: null, checkpoint: null } as const;
    return this.send({ type: "verified", task: this.state.task, verdict });
  }

  /** The update of a securely aggregated round is ready. */
  prepared(): this {
    return this.send({ type: "prepared", task: this.state.task });
  }

  secured(step: SecureStep): this {
    return this.send({ type: "secured", task: this.state.task, step });
  }

  joined(round: number, state: RoundState = RoundState.SELECTING): this {
    return this.send({
      type: "checkedIn",
      task: this.state.task,
      outcome: { type: "joined", news: { ...news(round, state), reason: "", next: null } },
    });
  }

  news(round: number, state: RoundState, isLast = false): this {
    return this.send({ type: "news", news: news(round, state, isLast) });
  }

  fail(kind: "guard" | "unreachable" | "stale" | "budget" | "ineligible" | "local" | "remote", code: string): this {
    return this.send({ type: "failed", task: this.state.task, failure: { code, message: "m", kind } });
  }

  get types(): string[] {
    return this.effects.map((effect) => (effect.type === "emit" ? `emit ${effect.event.type}` : effect.type));
  }
}

export const begun = (staleness?: StalenessPlan): Run => new Run(staleness).send({ type: "started" });
export const atWork = (staleness?: StalenessPlan): Run =>
  begun(staleness).offer(1).joined(1).news(1, RoundState.MASKED);
export const handedIn = (): Run => {
  const run = atWork();
  run.send({ type: "encoded", task: run.state.task, update: new Uint8Array(3) });
  return run.send({ type: "submitted", task: run.state.task, accepted: true });
};
