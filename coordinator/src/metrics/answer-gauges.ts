// What devices have answered, as numbers to watch beside the coordinator's own: released ones only, with the noise in their intervals.
import { Gauge, type Registry } from "prom-client";

/** The newest answer to a query. */
export interface StandingAnswer {
  readonly population: string;
  readonly query: string;
  /** Which time it was asked, from 1. */
  readonly turn: number;
  /** What is withheld is left out. */
  readonly values: readonly {
    readonly name: string;
    readonly value: number;
    readonly interval: readonly [low: number, high: number];
  }[];
}

/** @returns what sets the gauges to the newest answers; numbers that are not there any more go */
export function answerGauges(registers: Registry[]): (answers: readonly StandingAnswer[]) => void {
  const gauge = (name: string, help: string, labelNames: string[]): Gauge =>
    new Gauge({ name, help, labelNames, registers });
  const named = ["population", "query", "name"];
  const value = gauge("fedloop_answer", "Newest released answer, with noise, by the name of the number.", named);
  const low = gauge("fedloop_answer_low", "Lower end of its 95 % interval.", named);
  const high = gauge("fedloop_answer_high", "Upper end of its 95 % interval.", named);
  const turn = gauge("fedloop_answer_turn", "Which time the query was asked, from 1.", ["population", "query"]);
  return (answers) => {
    for (const each of [value, low, high, turn]) each.reset();
    for (const answer of answers) {
      const { population, query } = answer;
      turn.set({ population, query }, answer.turn);
      for (const { name, value: released, interval } of answer.values) {
        const labels = { population, query, name };
        value.set(labels, released);
        low.set(labels, interval[0]);
        high.set(labels, interval[1]);
      }
    }
  };
}
