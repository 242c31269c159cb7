// One tab at a time: by the Web Locks API, and by a lease in IndexedDB where a browser has none.
import { committed, openDatabase, settled } from "./database.js";

/** How tabs take turns. */
export interface TabLockOptions {
  /** The platform's unless given; null where a lease is to be used although there are locks. */
  readonly locks?: LockManager | null;
  readonly indexedDB?: IDBFactory;
  /**
   * How long a lease holds that is not renewed, in milliseconds: after a crash others wait so long. Browsers run timers of
   * hidden pages once a minute, so 180 000 unless given. Locks need none.
   */
  readonly leaseMs?: number;
  readonly signal?: AbortSignal;
}

const LEASE_MS = 180_000;
const LEASES = "leases";
/** Leases are renewed and looked at so often within their time. */
const LOOKS = 9;

/**
 * Waits until no other tab has the name, then takes it.
 *
 * @returns what gives it back
 * @throws the signal's reason when it is aborted first
 */
export async function takeTabLock(name: string, options: TabLockOptions = {}): Promise<() => void> {
  const locks = options.locks === undefined ? globalThis.navigator.locks : options.locks;
  return locks == null ? takeLease(name, options) : takeLock(name, locks, options.signal);
}

function takeLock(name: string, locks: LockManager, signal: AbortSignal | undefined): Promise<() => void> {
  return new Promise<() => void>((taken, refused) => {
    locks
      .request(
        `fedloop/${name}`,
        signal === undefined ? {} : { signal },
        () => new Promise<void>((release) => taken(release)),
      )
      .catch(refused);
  });
}

interface Lease {
  readonly holder: string;
  readonly untilMs: number;
}

async function takeLease(
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
