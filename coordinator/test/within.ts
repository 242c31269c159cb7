/** Long for whatever a test waits for, on the busiest machine: milliseconds. */
const LONG_MS = 180_000;

/**
 * What a test waits for, or why it failed: a wait in vain names what was waited for, where the test's own limit would not.
 *
 * @param what names it; asked when it did not come
 */
export async function within<T>(awaited: Promise<T>, what: () => string, limitMs: number = LONG_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`expected within ${limitMs / 1_000} s: ${what()}`)), limitMs);
    timer.unref();
  });
  try {
    return await Promise.race([awaited, late]);
  } finally {
    clearTimeout(timer);
  }
}
