import type { UnmaskShare as RevealedShare, SurvivorSet } from "@fedloop/privacy/secagg";
import {
  type ConfirmSurvivorsResponse,
  ConfirmSurvivorsResponseSchema,
  type Rounds,
  type UnmaskShare,
} from "@fedloop/proto";
import { encodedOnce } from "@fedloop/proto/grpc";
import { CoordinatorError } from "../errors.js";
import type { Populations } from "../rounds/populations.js";
import type { DeviceContext, ServiceHandlers } from "./service.js";

/** The calls of fedloop.v1.Rounds that carry secure aggregation. */
export type SecureCalls = Pick<
  ServiceHandlers<typeof Rounds>,
  "advertiseKeys" | "shareKeys" | "confirmSurvivors" | "unmask"
>;

/** Who asks before a step has ended, and does not want to wait for the answer, is told to come back in so many milliseconds. */
const RETRY_AFTER_MS = 250;
/** No answer is held back longer than this. */
export const LONGEST_WAIT_MS: number = 60_000;

const NOT_READY = { ready: false, retryAfterMs: RETRY_AFTER_MS } as const;

/**
 * Every call is idempotent: a repetition is answered with what the step has led to so far. Nothing of what passes here
 * is logged or stored.
 */
export function secureCalls(populations: Populations): SecureCalls {
  /** What there is to say now, or else when the round has gone on, if the device waits for it so long. */
  const whenReady = async <Answer>(
    { population, round, waitMs }: { readonly population: string; readonly round: bigint; readonly waitMs: number },
    { device, signal }: DeviceContext,
    ask: () => Answer | undefined,
  ): Promise<Answer | undefined> => {
    const answer = ask();
    if (answer !== undefined || waitMs === 0) return answer;
    await populations
      .named(population, device)
      .untilNextState(Number(round), Math.min(waitMs, LONGEST_WAIT_MS), signal);
    return ask();
  };

  return {
    async advertiseKeys(request, context) {
      const { population, round, maskPublicKey, encryptionPublicKey, signature } = request;
      const { device } = context;
      const keys = { maskPublicKey, encryptionPublicKey, signature };
      const group = await populations
        .named(population, device)
        .takeStep(device, Number(round), "keys", (group) => group.advertise(device, keys));
      const list = await whenReady(request, context, () => group.neighboursOf(device));
      return list === undefined ? NOT_READY : { ready: true, ...list, neighbours: [...list.neighbours] };
    },
    async shareKeys(request, context) {
      const { population, round, selfMaskCommitment, shares } = request;
      const { device } = context;
      const sealed = shares.map(({ member, ciphertext }) => ({ member, envelope: ciphertext }));
      const group = await populations
        .named(population, device)
        .takeStep(device, Number(round), "shares", (group) =>
          group.deal(device, { selfMaskCommitment, shares: sealed }),
        );
      const delivery = await whenReady(request, context, () => group.deliveryFor(device));
      if (delivery === undefined) return NOT_READY;
      return {
        ready: true,
        shares: delivery.shares.map(({ member, envelope }) => ({ member, ciphertext: envelope })),
        gone: [...delivery.gone],
      };
    },
    async confirmSurvivors(request, context) {
      const { population, round, signature } = request;
      const { device } = context;
      const named = populations.named(population, device);
      const isQuestion = signature.length === 0;
      if (isQuestion) {
        const group = named.groupOf(device, Number(round));
        const set = await whenReady(request, context, () => group.survivors());
        return set === undefined ? NOT_READY : listOf(set);
      }
      const group = await named.takeStep(device, Number(round), "consistency", (group) =>
        group.confirm(device, { signature }),
      );
      const confirmations = await whenReady(request, context, () => group.confirmationsFor(device));
      return confirmations === undefined ? NOT_READY : { ready: true, signatures: [...confirmations.signatures] };
    },
    async unmask({ population, round, shares }, { device }) {
      const revealed = shares.map(revealedShare);
      const named = populations.named(population, device);
      // The others' shares sufficed, and the next round has begun while these were under way: nobody needs them.
      if (named.isPast(Number(round))) return {};
      await named.takeStep(device, Number(round), "unmask", (group) => group.reveal(device, { shares: revealed }));
      return {};
    },
  };
}

/** A group's survivors are all told the same: thousands of numbers, encoded once. */
const lists = new WeakMap<SurvivorSet, ConfirmSurvivorsResponse>();

function listOf(set: SurvivorSet): ConfirmSurvivorsResponse {
  const list =
    lists.get(set) ?? encodedOnce(ConfirmSurvivorsResponseSchema, { ready: true, survivors: [...set.survivors] });
  lists.set(set, list);
  return list;
}

function revealedShare({ member, share }: UnmaskShare): RevealedShare {
  switch (share.case) {
    case "selfMaskShare":
      return { member, type: "self-mask", share: share.value };
    case "maskKeyShare":
      return { member, type: "mask-key", share: share.value };
    default:
      throw new CoordinatorError("BAD_REQUEST", "expected a share of one of the two kinds, came none");
  }
}
