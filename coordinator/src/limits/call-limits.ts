import { isIPv6 } from "node:net";
import { CoordinatorError } from "../errors.js";
import { type BucketRate, TokenBuckets } from "./token-buckets.js";

export interface CallRates {
  /** Calls of one device, or of one token of the HTTP API. */
  readonly perIdentity: BucketRate;
  /** Calls from one address, before anything of them is read. Behind one address there may be many devices. */
  readonly perAddress: BucketRate;
}

/**
 * What suits devices: one that joins, uploads an update of a gigabyte in chunks and takes part in secure aggregation
 * stays within the burst; a whole company behind one address joins within its burst.
 */
export const DEFAULT_RATES: CallRates = {
  perIdentity: { perSecond: 50, burst: 2_000 },
  perAddress: { perSecond: 500, burst: 10_000 },
};

/** What a call costs its address beyond its own token when it was signed falsely, or came with a token that is none. */
const PRICE_OF_A_LIE = 20;

/** What carries calls asks before it serves one. */
export type CallLimiter = Pick<CallLimits, "admitAddress" | "admitIdentity" | "chargeForLie">;

/**
 * How much callers may ask, for gRPC, Connect and HTTP alike. An address is counted before a call costs anything; an
 * identity only once it is proven, so that nobody uses up another's share.
 */
export class CallLimits {
  readonly #identities: TokenBuckets;
  readonly #addresses: TokenBuckets;

  constructor(rates: CallRates, clock: { now(): number }) {
    this.#identities = new TokenBuckets(rates.perIdentity, clock);
    this.#addresses = new TokenBuckets(rates.perAddress, clock);
  }

  /** @throws CoordinatorError BUSY, with when to come back */
  admitAddress(address: string): void {
    const key = addressKey(address);
    if (key !== undefined) refuse(this.#addresses.take(key), "from this address");
  }

  /** @throws CoordinatorError BUSY, with when to come back */
  admitIdentity(identity: string): void {
    refuse(this.#identities.take(identity), "from this caller");
  }

  /** Makes guessing dear: to be told of each call that failed to prove who it is from. */
  chargeForLie(address: string): void {
    const key = addressKey(address);
    if (key !== undefined) this.#addresses.charge(key, PRICE_OF_A_LIE);
  }
}

function refuse(waitMs: number, whose: string): void {
  if (waitMs === 0) return;
  throw new CoordinatorError("BUSY", `too many calls ${whose}; come back after the time given`, {
    retryAfterMs: waitMs,
  });
}

const LOOPBACK = /^(?:127\.|::1$)/;

/**
 * Whose calls are counted together: an IPv4 address, or the 64 bits of an IPv6 address that a network hands out as one
 * (RFC 6177), since whoever has them has all addresses below. Undefined for this machine itself: a proxy here is not
 * one caller.
 *
 * @param address as gRPC (`host:port`, `[host]:port`) or a socket names it
 */
export function addressKey(address: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+)(?::\d+)?)$/.exec(address) ?? [];
  const [host = ""] = (bracketed ?? plain ?? address).split("%");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1];
  const ip = mapped ?? host;
  if (ip === "" || ip.startsWith("unix:") || LOOPBACK.test(ip)) return undefined;
  return isIPv6(ip) ? network64(ip) : ip;
}

/** The first four of an IPv6 address's eight groups. */
function network64(ip: string): string {
  const [head = "", tail] = ip.toLowerCase().split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(8 - first.length - last.length, 0);
  const groups = [...first, ...Array.from({ length: zeros }, () => "0"), ...last];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}
