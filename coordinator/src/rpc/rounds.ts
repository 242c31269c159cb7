import type { MessageInitShape } from "@bufbuild/protobuf";
import { type OfferSchema, RoundState, type Rounds, WaitReason, wireRoundState } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import type { Ledger } from "../ledger/ledger.js";
import type { Device } from "../registry/device.js";
import type { CheckIn, Idle } from "../rounds/check-in.js";
import type { RoundNotice } from "../rounds/engine.js";
import type { Population } from "../rounds/population.js";
import type { Populations } from "../rounds/populations.js";
import { hasEnded } from "../rounds/states.js";
import type { Turnstile } from "../rounds/turnstile.js";
import type { ModelChunks } from "./model-chunks.js";
import { secureCalls } from "./secure-rounds.js";
import type { ServiceHandlers } from "./service.js";
import { consistencyMessage, receiptOf } from "./transparency.js";

const REASON: Readonly<Record<Idle["reason"], WaitReason>> = {
  "no-round": WaitReason.NO_ROUND,
  full: WaitReason.FULL,
  finished: WaitReason.FINISHED,
  budget: WaitReason.BUDGET,
};

/** Tells who watches that it is heard, when there is no round to tell of. */
const NO_ROUND_YET = { round: 0n, state: RoundState.UNSPECIFIED };

export interface RoundsDependencies {
  readonly ledger: Ledger;
  readonly populations: Populations;
  readonly models: ModelChunks;
  readonly turnstile: Turnstile;
  readonly clock: { now(): number };
}

type OfferMessage = MessageInitShape<typeof OfferSchema> & { readonly consistency: { readonly newSize: bigint } };

/** fedloop.v1.Rounds */
export function roundsService({
  ledger,
  populations,
  models,
  turnstile,
  clock,
}: RoundsDependencies): ServiceHandlers<typeof Rounds> {
  const remaining = (deadlineMs: number | null): number =>
    deadlineMs === null ? 0 : Math.max(Math.round(deadlineMs - clock.now()), 1);

  const event = (population: Population, notice: RoundNotice, offer: OfferMessage | undefined) => ({
    round: BigInt(notice.round),
    state: wireRoundState(notice.state),
    deadlineMs: remaining(notice.deadlineMs),
    reason: notice.reason ?? "",
    ...nextWindow(population, notice),
    ...(offer === undefined ? {} : { offer }),
  });

  const offerOf = async (
    { round, planIndex, consentIndex }: Extract<CheckIn, { readonly type: "offer" }>,
    knownTreeSize: bigint,
  ): Promise<OfferMessage> => {
    await ledger.expectSize(Number(knownTreeSize));
    const { message, size } = await receiptOf(ledger, planIndex);
    if (knownTreeSize > BigInt(size)) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected a tree of at most ${size} entries; this log has no more`);
    }
    return {
      round: BigInt(round),
      plan: message,
      consistency: consistencyMessage(ledger, Number(knownTreeSize), size),
      consentIndex: BigInt(consentIndex),
    };
  };

  /** The offer that goes with an event; whoever is not to have one is told why when it checks in. */
  const offerWith = async (
    population: Population,
    device: Device,
    { state }: RoundNotice,
    knownTreeSize: bigint | undefined,
  ): Promise<OfferMessage | undefined> => {
    if (state !== "selecting" || knownTreeSize === undefined) return undefined;
    try {
      const outcome = population.checkIn(device);
      return outcome.type === "offer" ? await offerOf(outcome, knownTreeSize) : undefined;
    } catch (cause) {
      if (cause instanceof CoordinatorError) return undefined;
      throw cause;
    }
  };

  const answer = async (population: Population, outcome: CheckIn, knownTreeSize: bigint) => {
    switch (outcome.type) {
      case "idle":
        return { outcome: { case: "wait" as const, value: wait(outcome.idle) } };
      case "joined": {
        const { round, state, deadlineMs } = outcome.notice;
        const place = { round: BigInt(round), state: wireRoundState(state), deadlineMs: remaining(deadlineMs) };
        const model = await models.inline(population.models.present, () =>
          population.models.open(population.models.present),
        );
        return { outcome: { case: "joined" as const, value: { ...place, model } } };
      }
      case "offer":
        return { outcome: { case: "offer" as const, value: await offerOf(outcome, knownTreeSize) } };
    }
  };

  return {
    async checkIn(request, { device }) {
      const population = populations.named(request.population, device);
      const { join } = request;
      population.farewell.met(device.id);
      const outcome =
        join === undefined
          ? population.checkIn(device)
          : await population.join(device, { round: Number(join.round), plan: join.plan, signature: join.signature });
      if (outcome.type === "idle" && population.finished !== undefined) population.farewell.told(device.id);
      return answer(population, outcome, request.knownTreeSize);
    },
    async *watch(request, { device, signal }) {
      const population = populations.named(request.population, device);
      let known = request.knownTreeSize;
      population.farewell.met(device.id);
      const { signal: until, leave } = population.untilSteppedDown(signal);
      try {
        if (population.hub.isSilent) yield NO_ROUND_YET;
        for await (const notice of population.hub.watch(until)) {
          const offer = await offerWith(population, device, notice, known);
          if (offer !== undefined) known = offer.consistency.newSize;
          yield event(population, notice, offer);
          if (population.finished !== undefined && hasEnded(notice.state)) population.farewell.told(device.id);
        }
      } finally {
        leave();
      }
      if (!signal.aborted) throw until.reason;
    },
    ...secureCalls(populations),
    async submitMasked(request, { device }) {
      const population = populations.named(request.population, device);
      const submission = { inline: request.inlineUpdate, chunksSha256: request.chunksSha256 };
      await turnstile.pass(() => population.submit(device, Number(request.round), submission));
      return { accepted: true };
    },
    reportMetrics(request, { device }) {
      populations.named(request.population, device);
      return {};
    },
    leave(request, { device }) {
      populations.named(request.population, device).leave(device, Number(request.round), request.reason);
      return {};
    },
  };
}

/** When those that hear of a round are to come: at once but spread out for one that selects, else after a while. */
function nextWindow(population: Population, { round, state }: RoundNotice) {
  if (state === "selecting") return { next: wait(population.arrival({ round })) };
  return state === "closed" || state === "abandoned" ? { next: wait(population.idle()) } : {};
}

function wait({ reason, afterMs, beforeMs }: Idle) {
  return { returnAfterMs: afterMs, returnBeforeMs: beforeMs, reason: REASON[reason] };
}
