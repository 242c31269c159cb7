import type { UnmaskShare as RevealedShare } from "@fedloop/privacy/secagg";
import type { Rounds, UnmaskShare } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import type { Populations } from "../rounds/populations.js";
import type { ServiceHandlers } from "./service.js";

/** The calls of fedloop.v1.Rounds that carry secure aggregation. */
export type SecureCalls = Pick<
  ServiceHandlers<typeof Rounds>,
  "advertiseKeys" | "shareKeys" | "confirmSurvivors" | "unmask"
>;

/** Who asks before a step has ended is told to come back in so many milliseconds; Watch tells earlier. */
const RETRY_AFTER_MS = 250;

const NOT_READY = { ready: false, retryAfterMs: RETRY_AFTER_MS } as const;

/**
 * Every call is idempotent: a repetition is answered with what the step has led to so far. Nothing of what passes here
 * is logged or stored.
 */
export function secureCalls(populations: Populations): SecureCalls {
  return {
    async advertiseKeys({ population, round, ...keys }, { device }) {
      const group = await populations
        .named(population, device)
        .takeStep(device, Number(round), "keys", (group) => group.advertise(device, keys));
      const list = group.neighboursOf(device);
      return list === undefined ? NOT_READY : { ready: true, ...list, neighbours: [...list.neighbours] };
    },
    async shareKeys({ population, round, selfMaskCommitment, shares }, { device }) {
      const sealed = shares.map(({ member, ciphertext }) => ({ member, envelope: ciphertext }));
      const group = await populations
        .named(population, device)
        .takeStep(device, Number(round), "shares", (group) =>
          group.deal(device, { selfMaskCommitment, shares: sealed }),
        );
      const delivery = group.deliveryFor(device);
      if (delivery === undefined) return NOT_READY;
      return {
        ready: true,
        shares: delivery.shares.map(({ member, envelope }) => ({ member, ciphertext: envelope })),
        gone: [...delivery.gone],
      };
    },
    async confirmSurvivors({ population, round, signature }, { device }) {
      const named = populations.named(population, device);
      const isQuestion = signature.length === 0;
      const group = isQuestion
        ? named.groupOf(device, Number(round))
        : await named.takeStep(device, Number(round), "consistency", (group) => group.confirm(device, { signature }));
      if (isQuestion) {
        const set = group.survivors();
        return set === undefined ? NOT_READY : { ready: true, survivors: [...set.survivors] };
      }
      const confirmations = group.confirmationsFor(device);
      return confirmations === undefined ? NOT_READY : { ready: true, signatures: [...confirmations.signatures] };
    },
    async unmask({ population, round, shares }, { device }) {
      const revealed = shares.map(revealedShare);
      await populations
        .named(population, device)
        .takeStep(device, Number(round), "unmask", (group) => group.reveal(device, { shares: revealed }));
      return {};
    },
  };
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
