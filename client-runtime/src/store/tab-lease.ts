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

/** As `takeTabLock`, by a lease. */
export async function takeLease(
  name: string,
  { indexedDB = globalThis.indexedDB, leaseMs = LEASE_MS, signal }: TabLockOptions,
): Promise<() => void> {
  const database = await openDatabase(indexedDB, "fedloop/leases", LEASES);
  const holder = crypto.randomUUID();
  /** One transaction: of two tabs that find a lease expired, one writes first and the other sees it. */
  const claim = async (untilMs: number): Promise<boolean> => {
    const transaction = database.transaction(LEASES, "readwrite");
    const leases = transaction.objectStore(LEASES);
    const lease: Lease | undefined = await settled(leases.get(name));
    const isFree = lease === undefined || lease.holder === holder || lease.untilMs <= Date.now();
    if (isFree) leases.put({ holder, untilMs } satisfies Lease, name);
    await committed(transaction);
    return isFree;
  };
  try {
    while (!(await claim(Date.now() + leaseMs))) await pause(leaseMs / LOOKS, signal);
  } catch (cause) {
    database.close();
    throw cause;
  }
  const renewing = setInterval(() => void claim(Date.now() + leaseMs).catch(() => {}), leaseMs / LOOKS);
  const release = (): void => {
    clearInterval(renewing);
    globalThis.removeEventListener?.("pagehide", release);
    void claim(0)
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
