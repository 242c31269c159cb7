import { useEffect, useState } from "preact/hooks";
import { ApiError } from "./client.js";

/** What was last heard, and why nothing newer was. */
export interface Polled<T> {
  readonly value: T | undefined;
  readonly error: ApiError | undefined;
}

const EVERY_MS = 4_000;

/**
 * Asks again and again while the page is to be seen. What was heard stays while nothing newer comes.
 *
 * @param load asks once; another function begins anew
 */
export function usePolled<T>(load: (signal: AbortSignal) => Promise<T>): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ value: undefined, error: undefined });
  useEffect(() => {
    const stopping = new AbortController();
    const { signal } = stopping;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      clearTimeout(timer);
      if (!document.hidden) {
        try {
          const value = await load(signal);
          if (!signal.aborted) setPolled({ value, error: undefined });
        } catch (cause) {
          if (signal.aborted) return;
          const error = cause instanceof ApiError ? cause : new ApiError("UNEXPECTED", "This page failed.", cause);
          setPolled(({ value }) => ({ value, error }));
        }
      }
      if (!signal.aborted) timer = setTimeout(() => void ask(), EVERY_MS);
    };
    document.addEventListener("visibilitychange", () => void (document.hidden || ask()), { signal });
    void ask();
    return () => {
      stopping.abort();
      clearTimeout(timer);
    };
  }, [load]);
  return polled;
}
