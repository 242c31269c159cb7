// How long data were used after their participant had said no: from the decision to the last debit of a round that they
// were in under the consent that it ended.

/** What was measured over all withdrawals of a log. */
export interface WithdrawalLatency {
  readonly withdrawals: number;
  /** Withdrawals after whose decision a round was still debited that their participant was in. */
  readonly usedAfter: number;
  /** Over all withdrawals; one without later use counts 0. Milliseconds. */
  readonly medianMs: number;
  readonly longestMs: number;
}

interface Use {
  /** Index of the consent that was relied on. */
  readonly consent: number;
  /** When the round was debited, by the coordinator's clock, milliseconds since 1970. */
  readonly time: number;
}

/** Collects withdrawals and uses, in any order. */
export class WithdrawalLatencies {
  readonly #withdrawals: { readonly subject: string; readonly index: number; readonly time: number }[] = [];
  readonly #uses = new Map<string, Use[]>();

  /**
   * A withdrawal, at its index in the log.
   *
   * @param time when the participant decided, milliseconds since 1970
   */
  withdrew(subject: string, index: number, time: number): void {
    this.#withdrawals.push({ subject, index, time });
  }

  /** A debited round that the subject was in, under the consent at an index. */
  used(subject: string, consent: number, time: number): void {
    const uses = this.#uses.get(subject) ?? [];
    const before = uses.find((use) => use.consent === consent);
    // Of the uses under one consent only the last matters.
    if (before === undefined) uses.push({ consent, time });
    else uses[uses.indexOf(before)] = { consent, time: Math.max(before.time, time) };
    this.#uses.set(subject, uses);
  }

  summary(): WithdrawalLatency {
    const latencies = this.#withdrawals
      .map(({ subject, index, time }) => {
        const uses = (this.#uses.get(subject) ?? []).filter(({ consent }) => consent < index);
        return Math.max(0, ...uses.map((use) => use.time - time));
      })
      .sort((a, b) => a - b);
    return {
      withdrawals: latencies.length,
      usedAfter: latencies.filter((latency) => latency > 0).length,
      medianMs: latencies[Math.floor((latencies.length - 1) / 2)] ?? 0,
      longestMs: latencies.at(-1) ?? 0,
    };
  }
}

/** The same in words. */
export function latencyText({ withdrawals, usedAfter, medianMs, longestMs }: WithdrawalLatency): string {
  if (withdrawals === 0) return "nobody withdrew";
  if (usedAfter === 0) return "no use after a withdrawal";
  return `${usedAfter} of ${withdrawals} were in a round then under way; to the last use ${longestMs} ms at most, ${medianMs} ms at the median`;
}
