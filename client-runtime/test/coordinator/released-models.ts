// The models of a test coordinator: what its log says devices get, and what it hands out, which a test may make another.
import {
  type ConsentView,
  type ModelStage,
  type ModelStanding,
  type RoundClose,
  sha256Text,
  standingAfter,
} from "@fedloop/consent";
import type { NodeSigner } from "@fedloop/consent/node";
import { POPULATION } from "./plans.js";
import type { TestLog } from "./test-log.js";

interface Release {
  readonly closeIndex: number;
  readonly file: Uint8Array;
}

type TestReceipt = Awaited<ReturnType<TestLog["receipt"]>>;

/** GetModelResponse, in pieces that a test may swap. */
export interface ReleasedMessage {
  readonly close?: TestReceipt;
  readonly totalBytes?: bigint;
  readonly stage?: TestReceipt;
}

export class ReleasedModels {
  /** Of which round's model is handed out; undefined for none. */
  give: number | undefined;
  /** Place of the entry that is shown as the newest about stages. */
  stageIndex: number | undefined;
  readonly #log: TestLog;
  readonly #view: ConsentView;
  readonly #releases = new Map<number, Release>();
  #standing: ModelStanding = { live: null, canary: null };

  constructor(log: TestLog, view: ConsentView) {
    this.#log = log;
    this.#view = view;
  }

  /** Closes a round with a model, which is handed out from now on. */
  async release(
    round: number,
    file: Uint8Array,
    changes: Partial<RoundClose> = {},
    signer?: NodeSigner,
  ): Promise<void> {
    const close: RoundClose = {
      population: POPULATION,
      round,
      plan: sha256Text(new Uint8Array(2)),
      outcome: "completed",
      reason: null,
      cohort: { size: 1, blob: null },
      aggregate: sha256Text(new Uint8Array(1)),
      modelOut: sha256Text(file),
      ...changes,
    };
    const { index, entry } = await this.#log.publish("round.close", close, signer);
    this.#view.apply(index, entry);
    this.#releases.set(round, { closeIndex: index, file });
    this.give = round;
  }

  /** Writes a change of stage; `changes` makes the entry say something else. @returns its place in the log */
  async stage(
    round: number,
    stage: ModelStage["stage"],
    changes: Partial<ModelStage> = {},
    signer?: NodeSigner,
  ): Promise<number> {
    const model = sha256Text(this.#release(round).file);
    const change = { round, model, stage, share: changes.share ?? null };
    this.#standing = standingAfter(this.#standing, change);
    const body = { population: POPULATION, ...change, standing: this.#standing, ...changes };
    const { index, entry } = await this.#log.publish("model.stage", body, signer);
    this.#view.apply(index, entry);
    this.stageIndex = index;
    return index;
  }

  async answer(): Promise<ReleasedMessage> {
    const stage = this.stageIndex === undefined ? {} : { stage: await this.#log.receipt(this.stageIndex) };
    if (this.give === undefined) return stage;
    const { closeIndex, file } = this.#release(this.give);
    return { ...stage, close: await this.#log.receipt(closeIndex), totalBytes: BigInt(file.length) };
  }

  /** A released model's file. */
  file(sha256: Uint8Array): Uint8Array | undefined {
    const name = Buffer.from(sha256).toString("base64url");
    return [...this.#releases.values()].find(({ file }) => sha256Text(file) === name)?.file;
  }

  #release(round: number): Release {
    const release = this.#releases.get(round);
    if (release === undefined) throw new RangeError(`round ${round} has released nothing`);
    return release;
  }
}
