import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { RoundNotice } from "../rounds/engine.js";
import { hasEnded, type RoundState } from "../rounds/states.js";
import type { SendResult } from "../webhooks/sender.js";
import { answerGauges, type StandingAnswer } from "./answer-gauges.js";
import type { AnsweredRequest, Metrics } from "./metrics.js";

/** What is read when it is asked for, rather than counted as it happens. */
export interface Standing {
  readonly populations: readonly {
    readonly population: string;
    readonly devices: number;
    readonly watchers: number;
    readonly roundsByState: Readonly<Record<string, number>>;
    /** Of the newest round, by their state in it. */
    readonly participants: Readonly<Record<string, number>>;
    readonly isPaused: boolean;
    /** Rounds in a row that were abandoned. */
    readonly failures: number;
    readonly epsilonSpent: number;
    readonly epsilonCap: number;
  }[];
  readonly answers: readonly StandingAnswer[];
  readonly ledgerEntries: number;
  readonly ledgerPublished: number;
  readonly webhooksPending: number;
  readonly isDraining: boolean;
}

const ROUND_SECONDS = [1, 3, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400];
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Metrics for Prometheus. Times are in seconds and sizes in bytes, as Prometheus' own conventions have it. */
export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #clock: { now(): number };
  /** When each population's round under way was planned, and entered its present state. */
  readonly #rounds = new Map<
    string,
    { readonly begunMs: number; readonly state: RoundState; readonly sinceMs: number }
  >();
  readonly #ended: Counter;
  readonly #abandoned: Counter;
  readonly #roundSeconds: Histogram;
  readonly #stateSeconds: Histogram;
  readonly #calls: Counter;
  readonly #received: Counter;
  readonly #requests: Counter;
  readonly #requestSeconds: Histogram;
  readonly #attempts: Counter;
  readonly #faults: Counter;
  readonly #turnedAway: Counter;
  readonly #standing: ReturnType<typeof standingGauges>;

  constructor(clock: { now(): number }) {
    this.#clock = clock;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    const counter = (name: string, help: string, labelNames: string[]): Counter =>
      new Counter({ name, help, labelNames, registers });
    const histogram = (name: string, help: string, labelNames: string[], buckets: number[]): Histogram =>
      new Histogram({ name, help, labelNames, buckets, registers });
    this.#ended = counter("fedloop_rounds_ended_total", "Rounds that ended in this process.", [
      "population",
      "kind",
      "outcome",
    ]);
    this.#abandoned = counter("fedloop_rounds_abandoned_total", "Rounds given up, by reason.", [
      "population",
      "reason",
    ]);
    this.#roundSeconds = histogram(
      "fedloop_round_duration_seconds",
      "From plan to end.",
      ["population", "outcome"],
      ROUND_SECONDS,
    );
    this.#stateSeconds = histogram(
      "fedloop_round_state_duration_seconds",
      "Time in each state.",
      ["population", "state"],
      ROUND_SECONDS,
    );
    this.#calls = counter("fedloop_calls_total", "Signed calls of devices.", ["method"]);
    this.#received = counter("fedloop_call_received_bytes_total", "Bytes of signed calls' messages.", ["method"]);
    this.#requests = counter("fedloop_http_requests_total", "Answered HTTP requests.", ["method", "route", "status"]);
    this.#requestSeconds = histogram(
      "fedloop_http_request_duration_seconds",
      "Time to answer.",
      ["route"],
      REQUEST_SECONDS,
    );
    this.#attempts = counter("fedloop_webhook_attempts_total", "Attempts to deliver.", ["endpoint", "outcome"]);
    this.#faults = counter("fedloop_faults_total", "Faults of the coordinator, each in the log.", []);
    this.#turnedAway = counter("fedloop_calls_turned_away_total", "Calls that found too many waiting.", []);
    this.#standing = standingGauges(registers);
  }

  roundEntered(population: string, { kind, state, reason }: RoundNotice): void {
    const nowMs = this.#clock.now();
    const before = this.#rounds.get(population);
    if (before !== undefined)
      this.#stateSeconds.observe({ population, state: before.state }, (nowMs - before.sinceMs) / 1_000);
    if (!hasEnded(state)) {
      this.#rounds.set(population, { begunMs: before?.begunMs ?? nowMs, state, sinceMs: nowMs });
      return;
    }
    this.#rounds.delete(population);
    this.#ended.inc({ population, kind, outcome: state });
    if (reason !== null) this.#abandoned.inc({ population, reason });
    if (before !== undefined)
      this.#roundSeconds.observe({ population, outcome: state }, (nowMs - before.begunMs) / 1_000);
  }

  callReceived(method: string, bytes: number): void {
    this.#calls.inc({ method });
    this.#received.inc({ method }, bytes);
  }

  requestAnswered({ method, route, status, seconds }: AnsweredRequest): void {
    this.#requests.inc({ method, route, status });
    this.#requestSeconds.observe({ route }, seconds);
  }

  webhookAttempted(endpoint: string, result: SendResult): void {
    const isDelivered = result.type === "answered" && result.status >= 200 && result.status < 300;
    this.#attempts.inc({ endpoint, outcome: isDelivered ? "delivered" : "failed" });
  }

  turnedAway(): void {
    this.#turnedAway.inc();
  }

  faulted(): void {
    this.#faults.inc();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus' text format. */
  async text(standing: Standing): Promise<string> {
    this.#standing(standing);
    return this.#registry.metrics();
  }
}

/** @returns what sets all gauges to how things stand */
function standingGauges(registers: Registry[]): (standing: Standing) => void {
  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge =>
    new Gauge({ name, help, labelNames, registers });
  const rounds = gauge("fedloop_rounds", "Rounds in the database, by state.", ["population", "state"]);
  const participants = gauge("fedloop_round_participants", "Of the newest round, by state in it.", [
    "population",
    "state",
  ]);
  const devices = gauge("fedloop_devices", "Registered devices.", ["population"]);
  const watchers = gauge("fedloop_watchers", "Devices that listen to round events.", ["population"]);
  const paused = gauge("fedloop_population_paused", "1 while a population begins no rounds until it is resumed.", [
    "population",
  ]);
  const failures = gauge("fedloop_rounds_abandoned_in_a_row", "Abandoned rounds since one was closed.", ["population"]);
  const spent = gauge("fedloop_budget_epsilon_spent", "ε spent.", ["population"]);
  const left = gauge("fedloop_budget_epsilon_left", "ε left of the cap.", ["population"]);
  const entries = gauge("fedloop_ledger_entries", "Entries of the ledger.");
  const published = gauge("fedloop_ledger_published_entries", "Entries that witnesses and mirrors can see.");
  const pending = gauge("fedloop_webhooks_pending", "Messages that wait to be delivered.");
  const draining = gauge("fedloop_draining", "1 while the coordinator begins no more rounds.");
  const setAnswers = answerGauges(registers);
  return (standing) => {
    for (const labelled of [rounds, participants]) labelled.reset();
    for (const it of standing.populations) {
      const { population } = it;
      for (const [state, count] of Object.entries(it.roundsByState)) rounds.set({ population, state }, count);
      for (const [state, count] of Object.entries(it.participants)) participants.set({ population, state }, count);
      devices.set({ population }, it.devices);
      watchers.set({ population }, it.watchers);
      paused.set({ population }, it.isPaused ? 1 : 0);
      failures.set({ population }, it.failures);
      spent.set({ population }, it.epsilonSpent);
      left.set({ population }, Math.max(it.epsilonCap - it.epsilonSpent, 0));
    }
    setAnswers(standing.answers);
    entries.set(standing.ledgerEntries);
    published.set(standing.ledgerPublished);
    pending.set(standing.webhooksPending);
    draining.set(standing.isDraining ? 1 : 0);
  };
}
