// What tabs take turns by where a browser has no locks: a lease in IndexedDB that its holder renews.
import { committed, openDatabase, settled } from "./database.js";
import type { TabLockOptions } from "./tab-lock.js";

const LEASE_MS = 180_000;
const LEASES = "leases";
/** Leases are renewed and looked at so often within their time. */
const LOOKS = 9;

interface Lease {
  readonly holder: string;
  readonly untilMs: number;
}

/**
 * As `takeTabLock`, by a lease. One that was not renewed in time may be another tab's: whoever relies on it has to fence its writes.
 *
 * @returns what gives it back
 */
export async function takeLease(
  name: string,
  { indexedDB = globalThis.indexedDB, leaseMs = LEASE_MS, signal }: TabLockOptions,
): Promise<() => void> {
  const database = await openDatabase(indexedDB, "fedloop/leases", LEASES);
  const holder = crypto.randomUUID();
  /**
   * One transaction: of two tabs that find a lease expired, one writes first and the other sees it.
   *
   * @param isMine whether only a lease that nobody took meanwhile will do
   */
  const claim = async (untilMs: number, isMine: boolean): Promise<boolean> => {
    const transaction = database.transaction(LEASES, "readwrite");
    const leases = transaction.objectStore(LEASES);
    const lease: Lease | undefined = await settled(leases.get(name));
    const isFree = lease?.holder === holder || (!isMine && (lease === undefined || lease.untilMs <= Date.now()));
    if (isFree) leases.put({ holder, untilMs } satisfies Lease, name);
    await committed(transaction);
    return isFree;
  };
  try {
    while (!(await claim(Date.now() + leaseMs, false))) await pause(leaseMs / LOOKS, signal);
  } catch (cause) {
    database.close();
    throw cause;
  }
  const renew = async (): Promise<void> => {
    if (!(await claim(Date.now() + leaseMs, true).catch(() => true))) clearInterval(renewing);
  };
  const renewing = setInterval(() => void renew(), leaseMs / LOOKS);
  const release = (): void => {
    clearInterval(renewing);
    globalThis.removeEventListener?.("pagehide", release);
    void claim(0, true)
      .catch(() => {})
      .finally(() => database.close());
  };
  globalThis.addEventListener?.("pagehide", release);
  return release;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const ended = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", ended);
      resolve();
    }, ms);
    signal?.addEventListener("abort", ended, { once: true });
  });
}
