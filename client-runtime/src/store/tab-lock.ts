// One tab at a time: by the Web Locks API, and by a lease in IndexedDB where a browser has none.
import { loaded } from "../loading.js";

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

/** A name that this tab has. */
export interface TabTurn {
  /** Gives it back. */
  readonly release: () => void;
  /** Whether another tab may take it unasked: a lease that is not renewed in time, as in a page that was frozen, is over. */
  readonly mayExpire: boolean;
}

/**
 * Waits until no other tab has the name, then takes it.
 *
 * @throws the signal's reason when it is aborted first; ClientError UNAVAILABLE where the lease's code cannot be fetched
 */
export async function takeTabLock(name: string, options: TabLockOptions = {}): Promise<TabTurn> {
  const locks = options.locks === undefined ? globalThis.navigator.locks : options.locks;
  if (locks != null) return { release: await takeLock(name, locks, options.signal), mayExpire: false };
  const { takeLease } = await loaded(() => import("./tab-lease.js"));
  return { release: await takeLease(name, options), mayExpire: true };
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
