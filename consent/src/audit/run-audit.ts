// Runs of rounds with correlated noise (DP-FTRL): each step once and in order, and no participant more often or at a
// smaller distance than the event, which is paid for once, allows.
import type { FindingSink } from "./finding.js";
import type { AuditedRound } from "./round-audit.js";

interface Run {
  readonly population: string;
  /** The event object: equal events are one object. */
  readonly event: AuditedRound["event"];
  lastStep: number;
  /** By participant: the steps it took part in, and the close of the last. */
  readonly steps: Map<string, number[]>;
  lastClose: number;
}

/** The name of a round's run; undefined for a round by itself. */
export function runOf({ hash, plan }: AuditedRound): string | undefined {
  const { run } = plan.privacy;
  return run === undefined ? undefined : (run.first ?? hash);
}

/** Follows the runs of all populations. */
export class RunAudit {
  readonly #sink: FindingSink;
  readonly #runs = new Map<string, Run>();

  constructor(sink: FindingSink) {
    this.#sink = sink;
  }

  /** Checks that a plan goes on where its run stands. */
  plan(index: number, round: AuditedRound): void {
    const { population, privacy } = round.plan;
    const { run } = privacy;
    if (run === undefined || run.first === null) return;
    const known = this.#runs.get(run.first);
    if (known === undefined || known.population !== population || known.event !== round.event) {
      this.#sink.entry("PLAN_EVENT", index, "The plan goes on with a run that was not opened with this event.");
    } else if (run.step !== known.lastStep + 1) {
      this.#sink.entry(
        "PLAN_EVENT",
        index,
        `The run stands at step ${known.lastStep}, this is planned as step ${run.step}.`,
      );
    }
  }

  /** Whether a round's event is paid for already. */
  isPaid(round: AuditedRound): boolean {
    const name = runOf(round);
    return name !== undefined && this.#runs.get(name)?.event === round.event;
  }

  /** Counts a step; call it after the round's event was counted, if it was to be. */
  debit(round: AuditedRound): void {
    const name = runOf(round);
    const step = round.plan.privacy.run?.step;
    if (name === undefined || step === undefined) return;
    const known = this.#runs.get(name) ?? {
      population: round.plan.population,
      event: round.event,
      lastStep: 0,
      steps: new Map(),
      lastClose: 0,
    };
    known.lastStep = Math.max(known.lastStep, step);
    this.#runs.set(name, known);
  }

  /** Notes that a participant took part in a debited round. */
  participate(round: AuditedRound, subject: string, closeIndex: number): void {
    const name = runOf(round);
    const step = round.plan.privacy.run?.step;
    const run = name === undefined ? undefined : this.#runs.get(name);
    if (run === undefined || step === undefined) return;
    run.steps.set(subject, [...(run.steps.get(subject) ?? []), step]);
    run.lastClose = Math.max(run.lastClose, closeIndex);
  }

  /** Holds everyone's steps against what the runs' events state. */
  conclude(): void {
    for (const { event, steps, lastClose } of this.#runs.values()) {
      if (!("minSeparation" in event)) continue;
      for (const [subject, taken] of steps) {
        const sorted = taken.toSorted((left, right) => left - right);
        const isTooNear = sorted.some((step, at) => at > 0 && step - (sorted[at - 1] ?? 0) < event.minSeparation);
        if (!isTooNear && sorted.length <= event.maxParticipations) continue;
        this.#sink.entry(
          "RUN_PARTICIPATION",
          lastClose,
          `${subject} took part in steps ${sorted.join(", ")}; the event allows ${event.maxParticipations}, ${event.minSeparation} steps apart.`,
        );
      }
    }
  }
}
