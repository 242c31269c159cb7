// Which of the released models devices are given: what an operator, or the plan, decided, in the order in which it was.
import * as z from "zod/mini";
import { encodeUtf8 } from "../crypto/encoding.js";
import { sha256 } from "../crypto/hash.js";
import { type EntryForm, type EntryReader, entryReader, formOf } from "./entry-forms.js";
import type { EntryOf } from "./entry-types.js";
import { bytes32, identifier, positive } from "./scalars.js";

/** Devices that a canary's share is counted in. */
export const wholeShare = 10_000;

/** A model by the round that made it and the SHA-256 of its file. */
export interface GivenModel {
  readonly round: number;
  readonly model: string;
}

/** A model that a part of the devices get. */
export interface CanaryModel extends GivenModel {
  /** How many of 10 000 devices. */
  readonly share: number;
}

/** Which models all devices of a population get: the canary those in its share, the live one all others. */
export interface ModelStanding {
  readonly live: GivenModel | null;
  readonly canary: CanaryModel | null;
}

/** From here on devices get another model. */
export interface ModelStage extends GivenModel {
  readonly population: string;
  /** `canary`: some devices get it; `live`: all others do; `rolled-back`: nobody does, ever again. */
  readonly stage: "canary" | "live" | "rolled-back";
  /** How many of 10 000 devices get a canary; null in other stages. */
  readonly share: number | null;
  /** What devices get from this entry on: the newest entry alone says it. */
  readonly standing: ModelStanding;
}

const share = positive.check(z.maximum(wholeShare));
const named = { round: positive, model: bytes32 };

const modelStage: z.ZodMiniType<ModelStage> = z
  .strictObject({
    population: identifier,
    ...named,
    stage: z.enum(["canary", "live", "rolled-back"]),
    share: z.nullable(share),
    standing: z.strictObject({
      live: z.nullable(z.strictObject(named)),
      canary: z.nullable(z.strictObject({ ...named, share })),
    }),
  })
  .check(
    z.refine(({ stage, share }) => (stage === "canary") === (share !== null), "a canary, and only it, has a share"),
  );

export const stageForm: EntryForm<EntryOf<"model.stage">> = formOf("model.stage", modelStage);

/** Reads a `model.stage` entry, and no other. @throws LedgerError as `parseEntry` */
export const readStageEntry: EntryReader<EntryOf<"model.stage">> = entryReader([stageForm]);

/** What devices get after a change, given what they got before it. */
export function standingAfter(
  { live, canary }: ModelStanding,
  { round, model, stage, share }: Omit<ModelStage, "population" | "standing">,
): ModelStanding {
  const others = canary?.round === round ? null : canary;
  switch (stage) {
    case "canary":
      return { live, canary: { round, model, share: share ?? 0 } };
    case "live":
      return { live: { round, model }, canary: others };
    case "rolled-back":
      return { live: live?.round === round ? null : live, canary: others };
  }
}

/**
 * Whether a device is among those that get a canary. Each canary has devices of its own, and a device finds out for itself: the
 * first 4 bytes of SHA-256 over the lines below, as a part of 2³², are below the share.
 *
 * @param subject the participant's pseudonym
 */
export function isInCanary(population: string, { model, share }: Omit<CanaryModel, "round">, subject: string): boolean {
  const hash = sha256(encodeUtf8(`fedloop-canary/v1\n${population}\n${model}\n${subject}\n`));
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0) / 2 ** 32 < share / wholeShare;
}

/** The model that a device is given: null for none. */
export function modelGiven(population: string, { live, canary }: ModelStanding, subject: string): GivenModel | null {
  return canary !== null && isInCanary(population, canary, subject) ? canary : live;
}
